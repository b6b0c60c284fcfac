"""One picture of the starter model for each sampler and number of steps, as a sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw

from webui.core.paths import PROGRAM_DIR
from webui.core.registry import Registry, Sampler
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.families.base import LoadedModel, Purpose
from webui.engine.noise import LaneNoise
from webui.engine.reading.cache import NetworkCache
from webui.engine.samplers.base import Answer, SamplerContext
from webui.engine.schedules import noise_levels, start_scale
from webui.plugins.resolve import resolve

STARTER = PROGRAM_DIR / "models" / "Stable-diffusion" / "darkroom-starter"
STEPS = (4, 8, 16)
PROMPT, CFG, SEED, SIDE = "a red circle on a blue background", 4.0, 7, 128
_SHOWN, _LABEL = 64, 190


class Studio:
    """The starter model with one prompt, which makes pictures with any sampler."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        checkpoint = Catalogue((STARTER.parent,)).get(STARTER.name)
        reader = NetworkCache(registry, resolve, torch.device("cpu"), torch.float32)
        with torch.inference_mode():
            self._model: LoadedModel = resolve(registry.families.get(checkpoint.family).function)(checkpoint, reader)
            texts = [("", True), (PROMPT, False)]
            rows = [self._model.encode(text, 1, Purpose(SIDE, SIDE, negative=negative)) for text, negative in texts]
            self._context = self._model.stack(rows)

    @torch.inference_mode()
    def picture(self, row: Sampler, steps: int) -> Image.Image:
        """The picture that this sampler makes under its own schedule."""
        model = self._model
        schedule = model.schedule_at(SIDE, SIDE)
        automatic = self._registry.schedules.get("Automatic")
        sigmas = noise_levels(row, automatic, steps, schedule, self._registry, resolve)
        cells = SIDE // model.latent_factor
        noise = LaneNoise((SEED,), (model.latent_channels, cells, cells))
        start = noise.normal() * start_scale(row, sigmas[0], schedule)
        sampling = resolve(row.function)(start, SamplerContext(sigmas, steps, noise, schedule))
        ask = next(sampling)
        while True:
            both = model.predict(torch.cat([ask.x, ask.x]), [ask.sigma] * 2, self._context)
            uncond, cond = both.chunk(2)
            try:
                ask = sampling.send(Answer(torch.lerp(uncond, cond, CFG), uncond))
            except StopIteration as end:
                return Image.fromarray(np.asarray(model.decode(end.value))[0])


def sheet(studio: Studio, rows: Sequence[Sampler]) -> Image.Image:
    """A line for each sampler: its name, and a picture for each of `STEPS`."""
    made = Image.new("RGB", (_LABEL + _SHOWN * len(STEPS), 20 + _SHOWN * len(rows)), "white")
    draw = ImageDraw.Draw(made)
    for column, steps in enumerate(STEPS):
        draw.text((_LABEL + column * _SHOWN + 4, 4), f"{steps} steps", fill="black")
    for line, row in enumerate(rows):
        top = 20 + line * _SHOWN
        draw.text((4, top + _SHOWN // 2 - 6), row.name, fill="black")
        for column, steps in enumerate(STEPS):
            picture = studio.picture(row, steps).resize((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
            made.paste(picture, (_LABEL + column * _SHOWN, top))
    return made
