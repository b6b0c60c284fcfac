"""SwarmUI's pictures: a JSON object in the place of the parameters text."""

from __future__ import annotations

from typing import Any

from webui.images.metadata import parameters
from webui.images.picture_file import PictureFile
from webui.images.readers import names
from webui.images.readers.values import json_object, lora_text, request_values, some, stem, whole, with_loras


def read(file: PictureFile) -> dict[str, Any] | None:
    """Values by the names of a request's fields; None where it is another program's picture."""
    said = some(json_object(parameters(file)), "sui_image_params")
    if not isinstance(said, dict):
        return None
    given, weights = (found if isinstance(found := some(said, key), list) else [] for key in ("loras", "loraweights"))
    loras = [lora_text(str(name), whole(weight)) for name, weight in zip(given, weights, strict=False)]
    model = some(said, "model")
    return request_values(
        prompt=with_loras(some(said, "prompt"), loras),
        negative_prompt=some(said, "negativeprompt") or "",
        steps=whole(some(said, "steps")),
        cfg_scale=whole(some(said, "cfgscale")),
        distilled_cfg_scale=whole(some(said, "fluxguidancescale")),
        seed=whole(some(said, "seed")),
        subseed=whole(some(said, "variationseed")),
        subseed_strength=some(said, "variationseedstrength"),
        sampler_name=names.sampler(some(said, "sampler")),
        scheduler=names.schedule(some(said, "scheduler")),
        width=whole(some(said, "width")) or file.width,
        height=whole(some(said, "height")) or file.height,
        checkpoint=stem(model) if isinstance(model, str) else None,
        vae=some(said, "vae"),
    )
