"""CivitAI: links to a model's page, to a version of it or to its download. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from webui.core.errors import InvalidField, UnknownName
from webui.engine.checkpoints.headers.read import SUFFIXES
from webui.engine.work.download.found import Found, RemoteFile
from webui.engine.work.download.web import Web, WebProblem, check_address
from webui.engine.work.names import safe_name

_HOSTS = ("civitai.com", "www.civitai.com", "civitai.green", "civitai.red")
_MODEL = re.compile(r"/models/(\d{1,12})(?:/.*)?")
_VERSION = re.compile(r"/(?:api/download/models|model-versions|api/v1/model-versions)/(\d{1,12})/?")
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_MOST_WORDS = 50

_KINDS = {
    "Checkpoint": "checkpoint",
    "LORA": "LoRA",
    "LoCon": "LoRA",
    "DoRA": "LoRA",
    "TextualInversion": "embedding",
    "VAE": "VAE",
    "Controlnet": "ControlNet",
    "Upscaler": "upscaler",
    "Hypernetwork": "hypernetwork",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A model, a version of it, or both; "" for what the link does not say."""

    model: str = ""
    version: str = ""


def parse(address: str, endpoint: str) -> Page | None:
    """What a link means, None where it is none of CivitAI's. Raises InvalidField."""
    parts = urlsplit(address)
    if parts.netloc.lower() not in (*_HOSTS, urlsplit(endpoint).netloc) or "://" not in address:
        return None
    version = _VERSION.fullmatch(parts.path)
    if version:
        return Page(version=version[1])
    model = _MODEL.fullmatch(parts.path)
    if model is None:
        raise InvalidField("That link of CivitAI is to no model.", remedies=("Copy the address of the model's page",))
    chosen = parse_qs(parts.query).get("modelVersionId", [""])[0]
    return Page(model[1], chosen if chosen.isascii() and chosen.isdigit() else "")


def look(web: Web, page: Page, endpoint: str, wanted: str) -> Found:
    """What lies there; of several versions the newest. Raises DarkroomError."""
    if page.version:
        version = _object(web.json(f"{endpoint}/api/v1/model-versions/{page.version}"))
        model = _object(version.get("model") or {})
        number = str(version.get("modelId") or page.model)
    else:
        model = _object(web.json(f"{endpoint}/api/v1/models/{page.model}"))
        versions = model.get("modelVersions")
        if not isinstance(versions, list) or not versions:
            raise WebProblem("CivitAI names no version of this model.")
        version, number = _object(versions[0]), page.model
    entry = _file(version, wanted)
    hashes = _object(entry.get("hashes") or {})
    sha, size = str(hashes.get("SHA256") or ""), entry.get("sizeKB")
    file = RemoteFile(
        check_address(str(entry.get("downloadUrl") or version.get("downloadUrl") or "")),
        safe_name(str(entry.get("name") or "")),
        round(size * 1024) if isinstance(size, int | float) and 0 < size < 2**40 else None,
        sha.lower() if _HEX.fullmatch(sha) else "",
    )
    kind = "VAE" if entry.get("type") == "VAE" else _KINDS.get(str(model.get("type")), "")
    words = version.get("trainedWords")
    return Found(
        file.name,
        kind,
        (file,),
        _licence(model),
        f"{endpoint}/models/{number}?modelVersionId={version.get('id', '')}",
        trained_words=tuple(str(word)[:200] for word in words[:_MOST_WORDS]) if isinstance(words, list) else (),
    )


def _file(version: Mapping[str, Any], wanted: str) -> Mapping[str, Any]:
    listed = version.get("files")
    files = [_object(one) for one in listed] if isinstance(listed, list) else []
    files = [one for one in files if str(one.get("name", "")).lower().endswith(SUFFIXES)]
    if not files:
        raise WebProblem("CivitAI has no file of weights for this model that is known here.")
    if wanted:
        found = next((one for one in files if one.get("name") == wanted), None)
        if found is None:
            raise UnknownName("file of this model", wanted, [str(one.get("name")) for one in files], field="file")
        return found
    safe = [one for one in files if str(one["name"]).lower().endswith(".safetensors")]
    return next((one for one in files if one.get("primary")), (safe or files)[0])


def _licence(model: Mapping[str, Any]) -> str:
    """What CivitAI says that people may do, as it has no licences by name."""
    if "allowCommercialUse" not in model:
        return ""
    uses = model["allowCommercialUse"]
    shown = ", ".join(map(str, uses)) if isinstance(uses, list) else str(uses)
    credit = "" if model.get("allowNoCredit") else "; name its author"
    return f"commercial use: {shown or 'none'}{credit}"[:200]


def _object(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise WebProblem("CivitAI's answer is not understood.")
    return data
