"""Where unit noise comes from: torch on the CPU or the device, or the numbers of a CUDA card made on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from webui.core.noise_sources import CPU, GPU, NV
from webui.engine.philox import PhiloxGenerator


class NoiseGenerator(Protocol):
    """One stream of unit noise, begun by a seed from 0 to 2^64 - 1."""

    def fill(self, out: Tensor) -> None:
        """Write the next draw into a contiguous float32 tensor; a draw begins anew for each call, as torch's do."""
        ...


class TorchGenerator:
    """torch's own on a device; what it draws depends on the kind of device."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device).manual_seed(seed)

    def fill(self, out: Tensor) -> None:
        """See `NoiseGenerator`; the tensor must lie on the device."""
        torch.randn(out.shape, generator=self._generator, out=out)


class CardGenerator:
    """What a CUDA card draws, on any machine."""

    def __init__(self, seed: int, _device: torch.device) -> None:
        self._generator = PhiloxGenerator(seed)

    def fill(self, out: Tensor) -> None:
        """See `NoiseGenerator`."""
        out.copy_(torch.from_numpy(self._generator.normal(tuple(out.shape))))


_KINDS: Mapping[str, Callable[[int, torch.device], NoiseGenerator]] = {
    CPU: TorchGenerator,
    GPU: TorchGenerator,
    NV: CardGenerator,
}


def place_of(source: str, device: torch.device) -> torch.device:
    """Where noise of this source is drawn for a model on `device`."""
    return device if source == GPU else torch.device("cpu")


def generator_of(source: str, seed: int, device: torch.device) -> NoiseGenerator:
    """A new stream of one of core/noise_sources.py's sources; `device` is the model's."""
    return _KINDS[source](seed, place_of(source, device))
