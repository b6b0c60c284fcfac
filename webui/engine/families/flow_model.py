"""What flow models share: a transformer that predicts velocity, texts of one length, noise levels bent by a shift."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.device import column
from webui.engine.families.autoencoder import Autoencoder
from webui.engine.families.base import Purpose
from webui.engine.model_schedule import FlowSchedule

CELL_PIXELS = 16
"""Side in pixels of what is one token to the transformer: two latent cells."""

ScheduleAt = Callable[[int, int], FlowSchedule]
"""(width, height) in pixels -> the noise levels for pictures of this size."""


@dataclass(frozen=True, slots=True, eq=False)
class FlowText:
    """What a text is to a flow model: `context` (1, tokens, width) and `pooled` (1, width), in the model's dtype.

    guidance: what a model with guidance inside is told; None for the others.
    """

    context: Tensor
    pooled: Tensor
    guidance: float | None = None

    @property
    def size_bytes(self) -> int:
        return self.context.numel() * self.context.element_size()


@dataclass(frozen=True, slots=True)
class Stacked:
    """The texts of a forward pass's rows: context (rows, tokens, width), pooled (rows, width), guidance (rows,)."""

    context: Tensor
    pooled: Tensor
    guidance: Tensor | None


class FlowModel:
    """A loaded model of this kind without its texts; see LoadedModel for what the methods promise."""

    latent_factor = 8

    def __init__(
        self, transformer: nn.Module, vae: Autoencoder, texts: Sequence[nn.Module], schedule_at: ScheduleAt
    ) -> None:
        self.denoiser = transformer
        self._transformer = cast(Any, transformer)
        self.device: torch.device = self._transformer.device
        self.dtype: torch.dtype = self._transformer.dtype
        self.networks = (transformer, vae.network, *texts)
        self.vae = vae
        self.latent_channels = int(vae.network.config.latent_channels)
        self._schedule_at = schedule_at

    def chunk_count(self, text: str, purpose: Purpose) -> int:
        # Text and picture attend to each other, so every text has one length, to which it is padded or cut.
        return 1

    def schedule_at(self, width: int, height: int) -> FlowSchedule:
        return self._schedule_at(width, height)

    def stack(self, rows: Sequence[FlowText]) -> Stacked:
        guidance = [row.guidance for row in rows if row.guidance is not None]
        return Stacked(
            torch.cat([row.context for row in rows]),
            torch.cat([row.pooled for row in rows]),
            column(guidance, self.device) if guidance else None,
        )

    def predict(self, x: Tensor, sigmas: Sequence[float], context: Stacked) -> Tensor:
        levels = column(sigmas, self.device)
        velocity = self._velocity(x.to(self.dtype), levels, context).float()
        return x - velocity * levels.view(-1, 1, 1, 1)

    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents)

    def decode_tiled(self, latents: Tensor, side: int) -> Tensor:
        return self.vae.decode(latents, side)

    def encode_picture(self, pictures: Tensor, side: int = 0) -> Tensor:
        return self.vae.encode_picture(pictures, side)

    def _velocity(self, x: Tensor, sigmas: Tensor, context: Stacked) -> Tensor:
        """From the clean latents to the noise, shaped as x (rows, channels, height/8, width/8); sigmas (rows,)."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class SizeShift:
    """A shift exp(mu) that grows with the picture: mu is linear in its tokens. The defaults are Flux.1 dev's."""

    base_shift: float = 0.5
    max_shift: float = 1.15
    base_image_seq_len: int = 256
    max_image_seq_len: int = 4096
    exponential: bool = True
    """False: mu itself is the shift."""

    def __call__(self, width: int, height: int) -> float:
        """The shift for pictures of this size in pixels."""
        tokens = (width // CELL_PIXELS) * (height // CELL_PIXELS)
        slope = (self.max_shift - self.base_shift) / (self.max_image_seq_len - self.base_image_seq_len)
        mu = self.base_shift + slope * (tokens - self.base_image_seq_len)
        return math.exp(mu) if self.exponential else mu


def schedules_of(checkpoint: Checkpoint, otherwise: SizeShift | float) -> ScheduleAt:
    """The model's noise levels by its folder's scheduler configuration; without one, those of this shift."""
    config: Mapping[str, Any] = checkpoint.scheduler
    shift = otherwise
    if config.get("use_dynamic_shifting"):
        names = ("base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len")
        given = {name: config[name] for name in names if name in config}
        shift = SizeShift(**given, exponential=config.get("time_shift_type", "exponential") == "exponential")
    elif config:
        shift = float(config.get("shift", 1.0))
    count = int(config.get("num_train_timesteps", 1000))
    if isinstance(shift, SizeShift):
        by_size = shift
        return lambda width, height: FlowSchedule(by_size(width, height), count)
    fixed = FlowSchedule(shift, count)
    return lambda width, height: fixed
