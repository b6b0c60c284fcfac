"""NovelAI keeps the prompt in the text chunk Description, and the rest as JSON in Comment."""

import json
from typing import Any

from webui.extend import MetadataReader, PictureFile, hookimpl

FIELDS = {"steps": "steps", "scale": "cfg_scale", "seed": "seed", "uc": "negative_prompt"}
SAMPLERS = {"k_euler": "Euler", "k_euler_ancestral": "Euler a", "k_dpmpp_2m": "DPM++ 2M", "ddim": "DDIM"}


@hookimpl
def metadata_readers() -> list[MetadataReader]:
    """Asked of each picture that Darkroom's own reader does not know."""
    return [MetadataReader("novelai", "NovelAI", "extension:read")]


def read(file: PictureFile) -> dict[str, Any] | None:
    """Values by the names of a request's fields; None where it is another program's picture."""
    if file.texts.get("Software") != "NovelAI":
        return None
    said = json.loads(file.texts["Comment"])
    values = {ours: said[theirs] for theirs, ours in FIELDS.items() if theirs in said}
    values |= {"prompt": file.texts.get("Description", ""), "width": file.width, "height": file.height}
    if said.get("sampler") in SAMPLERS:
        values["sampler_name"] = SAMPLERS[said["sampler"]]
    return values
