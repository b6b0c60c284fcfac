"""Draw Things' pictures: an object in short names, as the user's comment of an XMP packet."""

from __future__ import annotations

import html
import re
from typing import Any

from webui.images.picture_file import XMP, PictureFile
from webui.images.readers.values import json_object, request_values, some, stem, whole

_BEGIN, _END = "<exif:UserComment>", "</exif:UserComment>"
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_SCHEDULES = {"Karras": "Karras", "Trailing": "SGM Uniform", "AYS": "Align Your Steps"}


def read(file: PictureFile) -> dict[str, Any] | None:
    """Values by the names of a request's fields; None where it is another program's picture."""
    comment = file.texts.get(XMP, "").partition(_BEGIN)[2].partition(_END)[0]
    said = json_object(html.unescape(comment[comment.find("{") : comment.rfind("}") + 1]))
    if said is None or "c" not in said or "sampler" not in said:
        return None
    size = _SIZE.fullmatch(str(some(said, "size")))
    sampler, _, ending = str(said["sampler"]).rpartition(" ")
    schedule = _SCHEDULES.get(ending)
    model = some(said, "model")
    return request_values(
        prompt=said["c"],
        negative_prompt=some(said, "uc") or "",
        steps=whole(some(said, "steps")),
        cfg_scale=whole(some(said, "scale")),
        seed=whole(some(said, "seed")),
        sampler_name=sampler if schedule else said["sampler"],
        scheduler=schedule,
        width=int(size[1]) if size else file.width,
        height=int(size[2]) if size else file.height,
        checkpoint=stem(model) if isinstance(model, str) else None,
    )
