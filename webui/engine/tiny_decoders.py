"""TAESD and its kin: autoencoders small enough that each preview may go through one, read when first wanted."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from webui.core.errors import DarkroomError, ModelProblem
from webui.core.registry import Registry
from webui.engine.config import EngineConfig
from webui.engine.layouts.base import Source, same
from webui.engine.reading.modules import build, fill
from webui.engine.reading.weights import open_weights

log = logging.getLogger(__name__)

_ENDS = ("_decoder.safetensors", "_decoder.pth", "_decoder.pt", ".safetensors", ".pth", ".pt")
_FOLDERS_FILE = "diffusion_pytorch_model.safetensors"
_LAYER = re.compile(r"layers\.(\d+)\.(.+)")
_DIFFUSERS = "decoder."


class TinyDecoder:
    """A decoder of latents as a family's denoiser has them."""

    latent_factor = 8

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        self.network, self._dtype = network, dtype

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as pictures (batch, height, width, 3) uint8 on the host."""
        pictures: Tensor = self.network(latents.to(self._dtype)).float()
        return ((pictures + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()


class TinyDecoders:
    """Those that lie in some folders. One thread at a time."""

    def __init__(
        self, folders: Sequence[Path], names: Mapping[str, str], device: torch.device, dtype: torch.dtype
    ) -> None:
        """names: of the decoder's file, by family ("taesd" for "sd1")."""
        self._folders, self._names = folders, names
        self._device, self._dtype = device, dtype
        self._known: dict[Path, TinyDecoder | None] = {}
        self._said: set[str] = set()

    @classmethod
    def wanted(cls, config: EngineConfig, registry: Registry, device: torch.device, dtype: torch.dtype) -> TinyDecoders:
        """Those that the engine's options ask for: none where previews go through the models' own autoencoders."""
        names = {row.name: row.tiny_decoder for row in registry.families if row.tiny_decoder}
        return cls(config.model_folders.vae_approx, names if config.preview_type == "TAESD" else {}, device, dtype)

    def of(self, family: str) -> TinyDecoder | None:
        """The decoder for a family's latents; None where there is none that can be used, which is said once."""
        name = self._names.get(family)
        if name is None:
            return None
        path = next((path for path in self._places(name) if path.is_file()), None)
        if path is None:
            self._say(name, f"Previews by {name} need {name}_decoder.safetensors in models/VAE-approx; without it they")
            return None
        if path not in self._known:
            self._known[path] = self._read(path)
        return self._known[path]

    def _places(self, name: str) -> Iterator[Path]:
        for folder in self._folders:
            yield from (folder / f"{name}{end}" for end in _ENDS)
            yield folder / name / _FOLDERS_FILE

    def _read(self, path: Path) -> TinyDecoder | None:
        try:
            return TinyDecoder(_read_decoder(path, self._device, self._dtype), self._dtype)
        except DarkroomError as error:
            why = error.detail
        except Exception as error:  # noqa: BLE001 a file of another form may break anywhere; previews go on without it
            why = f"It is of another form ({type(error).__name__})."
        self._say(str(path), f"{path.name} cannot be used for previews: {why} They")
        return None

    def _say(self, key: str, why: str) -> None:
        if key not in self._said:
            self._said.add(key)
            log.info("%s are made by the model's own VAE.", why)


def _read_decoder(path: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    with open_weights(path) as weights:
        whole = f"{_DIFFUSERS}layers.0.weight" in weights
        first = f"{_DIFFUSERS}layers.0.weight" if whole else "1.weight"
        if first not in weights:
            raise ModelProblem("There is no decoder of TAESD's kind in it.")
        channels = weights.tensor(first).shape[1]
        network = build(lambda: AutoencoderTiny(latent_channels=channels).decoder)
        prefix = _DIFFUSERS if whole else ""
        fill(network, weights, same if whole else _original, {}, prefix=prefix, device=device, dtype=dtype)
    return network


def _original(name: str, config: Mapping[str, Any]) -> Source:
    """The original program has a layer more in front, which has no weights."""
    number, rest = _LAYER.fullmatch(name).groups()  # type: ignore[union-attr]
    return Source(f"{int(number) + 1}.{rest}")
