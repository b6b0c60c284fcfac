"""What a request means in a pipeline class's own parameters."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import torch

from webui.core.request import GenerationRequest
from webui.engine.generators import place_of
from webui.plugins.builtin.stock import StockClass

# Parameters that would change what was asked for: the prompt's words, the picture's size, the guidance's scale.
_AS_ASKED = {"clean_caption": False, "use_resolution_binning": False, "guidance_schedule": None}


def arguments(
    row: StockClass,
    takes: Container[str],
    request: GenerationRequest,
    seeds: Sequence[int],
    device: torch.device,
    texts: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The arguments for one batch, of those that the class takes; each picture has a generator of its own.

    takes: the names of its parameters. seeds: one for each picture. device: the pipeline's, where noise is drawn if the
    request says so. texts: prompt and negative prompt of each picture; none where all have the request's templates.
    """
    count = len(seeds)
    place = place_of(request.randn_source, device)
    texts = texts or [request.templates] * count
    at_once = "num_images_per_prompt" in takes and len(set(texts)) == 1
    prompts, negatives = ([text[place] for text in texts] for place in (0, 1))
    given: dict[str, Any] = {
        "prompt": prompts[0] if at_once else prompts,
        "num_images_per_prompt": count if at_once else 1,
        row.steps_as: request.steps,
        "width": request.width,
        "height": request.height,
        "generator": [torch.Generator(place).manual_seed(seed) for seed in seeds],
        "output_type": "pil",
        **_AS_ASKED,
    }
    if row.negative:
        given["negative_prompt"] = negatives[0] if at_once else negatives
    if row.embedded_as:
        given[row.embedded_as] = request.distilled_cfg_scale
    if row.scale_as:
        given[row.scale_as] = scale(row, request.cfg_scale)
    return {name: value for name, value in given.items() if name in takes}


def scale(row: StockClass, cfg_scale: float) -> float:
    """A CFG scale, where 1 means that guidance is off, as the class counts it."""
    return cfg_scale - 1.0 + row.off
