"""The Hugging Face hub: one file of a repository, or a repository in diffusers' form as a folder. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from webui.core.errors import InvalidField, UnknownName
from webui.engine.checkpoints.headers.read import SUFFIXES
from webui.engine.work.download.found import Found, RemoteFile
from webui.engine.work.download.web import Web, WebProblem
from webui.engine.work.names import safe_name

INDEX = "model_index.json"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")
_HEX = re.compile(r"[0-9a-f]{64}")
_TEXTS = (".json", ".txt", ".model", ".jinja")
_SHARD = re.compile(r"-\d{5}-of-\d{5}")
# The forms of a network's weights in a folder, the best first: the others of one folder are left out.
_FORMS = (("", ".safetensors"), (".fp16", ".safetensors"), (".bf16", ".safetensors"), ("", ".bin"), (".fp16", ".bin"))


@dataclass(frozen=True, slots=True)
class Place:
    """A repository at a revision, and the file in it, "" for what it is known by."""

    repository: str
    revision: str = "main"
    file: str = ""


def parse(address: str, endpoint: str, revision: str = "", file: str = "") -> Place | None:
    """The place that an address means, None where it is none of the hub's. Raises InvalidField."""
    if "://" in address:
        parts = urlsplit(address)
        if parts.netloc.lower() not in ("huggingface.co", "www.huggingface.co", "hf.co", urlsplit(endpoint).netloc):
            return None
        words = [unquote(word) for word in parts.path.split("/") if word]
        if words[:1] in (["datasets"], ["spaces"]) or len(words) < 2:
            raise InvalidField("That is no model of the hub.", remedies=("Write owner/repository/file",))
        if words[2:3] and words[2] in ("blob", "resolve", "tree", "raw") and len(words) > 3:
            revision, inside = revision or words[3], words[4:]
        else:
            inside = [word for word in words[2:] if word not in ("tree", "blob")]
    else:
        words = address.split("/")
        if len(words) < 2 or not all(words):
            return None
        inside = words[2:]
    if not all(_NAME.fullmatch(word) for word in words[:2]) or ".." in "".join(words[:2]):
        raise InvalidField(f"'{'/'.join(words[:2])[:80]}' is no name of a repository on the hub.")
    path = file or "/".join(inside)
    if any(word in ("", ".", "..") for word in path.split("/") if path):
        raise InvalidField(f"'{path[:80]}' is no file of a repository.")
    return Place("/".join(words[:2]), revision or "main", path)


def look(web: Web, place: Place, endpoint: str) -> Found:
    """What lies there. Raises DarkroomError."""
    rev = quote(place.revision, safe="")
    data = web.json(f"{endpoint}/api/models/{place.repository}/revision/{rev}?blobs=true")
    if not isinstance(data, dict) or not isinstance(data.get("siblings"), list):
        raise WebProblem("The hub's answer is not understood.")
    files = {str(one.get("rfilename", "")): one for one in data["siblings"] if isinstance(one, dict)}
    commit = str(data.get("sha") or place.revision)
    base = f"{endpoint}/{place.repository}"
    chosen, is_folder = _chosen(place, files)
    remotes = tuple(
        _remote(f"{base}/resolve/{quote(commit, safe='')}/{quote(name)}", name, files[name]) for name in chosen
    )
    if is_folder:
        name = safe_name(place.repository.rpartition("/")[2])
        return Found(name, "checkpoint", remotes, _licence(data), base, is_folder=True)
    only = _by_head(web, remotes[0])
    return Found(only.name, "", (only,), _licence(data), base)


def _chosen(place: Place, files: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The files to fetch, and whether they are a folder in diffusers' form."""
    weights = [name for name in files if name.lower().endswith(SUFFIXES)]
    if place.file:
        if place.file not in weights:
            raise UnknownName(f"file of weights in {place.repository}", place.file, weights, field="file")
        return [place.file], False
    if INDEX in files:
        return folder_files(list(files)), True
    if len(weights) == 1:
        return weights, False
    if not weights:
        raise InvalidField(f"{place.repository} holds no weights that are known here.", field="address")
    listed = ", ".join(weights[:12])
    raise InvalidField(
        f"{place.repository} holds several files of weights: {listed}{' and more' if len(weights) > 12 else ''}.",
        field="file",
        remedies=(f"Name one: {place.repository}/{weights[0]}",),
    )


def folder_files(names: Sequence[str]) -> list[str]:
    """Those of a repository's files that make the model in diffusers' form, each network's weights once."""
    chosen = [INDEX]
    folders = dict.fromkeys(name.partition("/")[0] for name in names if name.count("/") == 1)
    for folder in folders:
        inside = [name for name in names if name.startswith(f"{folder}/") and name.count("/") == 1]
        weights = [name for name in inside if name.endswith((".safetensors", ".bin"))]
        for variant, suffix in _FORMS:
            form = [name for name in weights if _form(name) == (variant, suffix)]
            if form:
                chosen += form
                break
        chosen += [name for name in inside if name.endswith(_TEXTS)]
    return chosen


def _form(name: str) -> tuple[str, str]:
    stem, dot, suffix = PurePosixPath(name).name.rpartition(".")
    stem = _SHARD.sub("", stem)
    _, point, variant = stem.partition(".")
    return point + variant, dot + suffix


def _remote(url: str, name: str, entry: Mapping[str, Any]) -> RemoteFile:
    lfs = entry.get("lfs")
    sha = str(lfs.get("sha256") or "") if isinstance(lfs, dict) else ""
    size = entry.get("size")
    # Names go into our own folder part by part.
    parts = [safe_name(part) for part in name.split("/")]
    known = size if isinstance(size, int) and size >= 0 else None
    return RemoteFile(url, "/".join(parts), known, sha if _HEX.fullmatch(sha) else "")


def _by_head(web: Web, file: RemoteFile) -> RemoteFile:
    """A single file under its own name, with what the hub says of it where it is asked for; that counts more."""
    name = file.name.rpartition("/")[2]
    with web.open("HEAD", file.url, leave_host=False) as answer:
        if answer.status >= 400:
            web.check(answer)
        size, sha = answer.number("x-linked-size"), answer.header("x-linked-etag").strip('"').lower()
    return RemoteFile(
        file.url, name, size if size is not None else file.size, sha if _HEX.fullmatch(sha) else file.sha256
    )


def _licence(data: Mapping[str, Any]) -> str:
    card = data.get("cardData")
    own = card.get("license_name") or card.get("license") if isinstance(card, dict) else None
    tags = data.get("tags")
    tag = next((str(t) for t in tags if str(t).startswith("license:")), "") if isinstance(tags, list) else ""
    return str(own or tag.removeprefix("license:"))[:100]
