"""Fooocus' pictures, and those of its kin: a JSON object in the place of the parameters text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from webui.images.metadata import parameters
from webui.images.picture_file import PictureFile
from webui.images.readers import names
from webui.images.readers.values import json_object, lora_text, request_values, some, stem, whole, with_loras

_SIZE = re.compile(r"\D*(\d{1,5})\D+(\d{1,5})\D*")
_STYLES = "Fooocus styles"


def read(file: PictureFile) -> dict[str, Any] | None:
    """Values by the names of a request's fields; None where it is another program's picture."""
    said = json_object(parameters(file))
    if said is None or "base_model" not in said or not ("guidance_scale" in said or "performance" in said):
        return None
    size = _SIZE.fullmatch(str(some(said, "resolution"))[:40])
    width, height = (int(size[1]), int(size[2])) if size else (file.width, file.height)
    values = request_values(
        prompt=with_loras(_whole_text(said, "full_prompt", "prompt"), _loras(said)),
        negative_prompt=_whole_text(said, "full_negative_prompt", "negative_prompt") or "",
        steps=whole(some(said, "steps")),
        cfg_scale=whole(some(said, "guidance_scale")),
        seed=whole(some(said, "seed")),
        sampler_name=names.sampler(some(said, "sampler")),
        scheduler=names.schedule(some(said, "scheduler")),
        width=width,
        height=height,
        clip_skip=whole(some(said, "clip_skip")),
        checkpoint=stem(str(said["base_model"])),
        refiner_checkpoint=_file(some(said, "refiner_model")),
        refiner_switch_at=some(said, "refiner_switch"),
        vae=_file(some(said, "vae")),
    )
    styles = some(said, "styles")
    return values | ({_STYLES: str(styles)} if styles else {})


def _whole_text(said: Mapping[str, Any], *keys: str) -> str | None:
    """The prompt with what the program's own styles and its expansion put to it, as it was drawn."""
    found = some(said, *keys)
    if isinstance(found, list):
        found = ", ".join(text for text in found if isinstance(text, str) and text) or some(said, keys[-1])
    return found if isinstance(found, str) else None


def _loras(said: Mapping[str, Any]) -> list[str]:
    rows = some(said, "loras")
    if isinstance(rows, str):
        # Written as Python writes a list.
        try:
            rows = json.loads(rows.replace("'", '"').replace("(", "[").replace(")", "]"))
        except (ValueError, RecursionError):
            rows = []
    listed = [row for row in rows or () if isinstance(row, list) and len(row) > 1 and isinstance(row[0], str)]
    combined = [text.rpartition(":") for key, text in said.items() if key.startswith("lora_combined_")]
    rows = listed or [[name.strip(), whole(weight.strip())] for name, colon, weight in combined if colon]
    return [lora_text(row[0], row[1]) for row in rows if row[0].lower() != "none"]


def _file(name: Any) -> str | None:
    """A file's name, None for the program's words for none and for its default."""
    return stem(name) if isinstance(name, str) and not name.lower().startswith(("none", "default")) else None
