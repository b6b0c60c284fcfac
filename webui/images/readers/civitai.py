"""Pictures of CivitAI's own generator: in the place of the parameters text a graph, and beside it what was asked."""

from __future__ import annotations

from typing import Any

from webui.images.metadata import parameters
from webui.images.picture_file import PictureFile
from webui.images.readers.values import json_object, request_values, some, whole


def read(file: PictureFile) -> dict[str, Any] | None:
    """Values by the names of a request's fields; None where it is another program's picture."""
    asked = some(json_object(parameters(file)), "extraMetadata")
    said = json_object(asked) if isinstance(asked, str) else asked
    if not isinstance(said, dict) or "prompt" not in said:
        return None
    values = request_values(
        prompt=said["prompt"],
        negative_prompt=some(said, "negativePrompt") or "",
        steps=whole(some(said, "steps")),
        cfg_scale=whole(some(said, "cfgScale")),
        seed=whole(some(said, "seed")),
        sampler_name=some(said, "sampler"),
        clip_skip=whole(some(said, "clipSkip")),
        width=whole(some(said, "width")) or file.width,
        height=whole(some(said, "height")) or file.height,
    )
    resources = some(said, "resources")
    return values | ({"Civitai resources": str(resources)} if resources else {})
