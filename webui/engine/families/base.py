"""What a model family is: how a checkpoint of it is loaded, and what the loaded model can do."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokens import READING, Reading
from webui.engine.reading.base import Reader
from webui.engine.samplers.base import ModelSchedule


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a text is encoded for: a picture of this size in pixels, as its prompt or as its negative prompt.

    distilled_cfg_scale: the guidance that models with guidance inside (Flux.1 dev) are told; others do not look.
    clip_skip: which of the text encoder's last layers describes the text, from 1; for SD1 and SD2.
    reading: how weights and chunks are read, for families whose row says that they know emphasis.
    adapters: what is merged into the text encoders meanwhile, equal for equal; families do not look.
    """

    width: int
    height: int
    negative: bool = False
    distilled_cfg_scale: float = 0.0
    clip_skip: int = 1
    reading: Reading = READING
    adapters: Hashable = ()


class Conditioning(Protocol):
    """What one text means to a model, in a form of the family's own; only the model that made it looks inside.

    Two are the same only when they are one object, so a cache makes them cheap.
    """

    @property
    def size_bytes(self) -> int:
        """Memory that it holds."""
        ...


class LoadedModel(Protocol):
    """A model in memory. All methods run inside torch.inference_mode; several threads may call them at once."""

    device: torch.device
    dtype: torch.dtype
    latent_channels: int
    latent_factor: int
    """Pixels per latent cell, along each side."""
    networks: Sequence[nn.Module]
    """All that it holds in memory; models may share some, and never change them.

    Their weights may wait elsewhere than on `device`, where they and what they are given are brought while their
    `forward`, `encode` or `decode` runs; so nothing else may compute with them.
    """
    denoiser: nn.Module
    """The network whose attention a backend may change."""

    def chunk_count(self, text: str, purpose: Purpose) -> int:
        """How many chunks of tokens the text fills, at least 1."""
        ...

    def schedule_at(self, width: int, height: int) -> ModelSchedule:
        """The noise levels for pictures of this size in pixels; to some models a large one is noisier."""
        ...

    def encode(self, text: str, chunks: int, purpose: Purpose) -> Conditioning:
        """The conditioning of a text, padded with empty chunks to `chunks`.

        text: what the prompt says at a time, with emphasis as it was typed where the family's row says that it is
        known there, else the words alone. Equal arguments give equal bits, always.
        """
        ...

    def stack(self, rows: Sequence[Any]) -> Any:
        """The conditionings (this model's own) of a forward pass's rows, in order, as `predict` takes them.

        They may be of different token counts. The answer is kept for as long as the rows stay the same.
        """
        ...

    def predict(self, x: Tensor, sigmas: Sequence[float], context: Any) -> Tensor:
        """The clean latents behind `x` (rows, channels, height/8, width/8) float32, one forward pass.

        sigmas: each row's noise level. context: from `stack`. The answer is float32 of the same shape.
        """
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as pictures (batch, height, width, 3) uint8 on the host. Raises BadNumbers."""
        ...


LoadFunction = Callable[[Checkpoint, Reader], LoadedModel]
"""What a family row's `function` names. Raises ModelProblem."""
