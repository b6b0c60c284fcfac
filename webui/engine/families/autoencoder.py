"""The autoencoders of Stable Diffusion and its kin: latents to pictures and back, whole or by tiles."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from webui.core.errors import BadNumbers, InvalidField
from webui.engine.checkpoints.parts import Part
from webui.engine.memory.tiles import by_tiles
from webui.engine.reading.base import Reader

# Pixels of a latent cell, along each side.
_FACTOR = 8


class Autoencoder:
    """An `AutoencoderKL` with the scale of its family's latents."""

    def __init__(self, network: nn.Module, scaling: float, shift: float = 0.0) -> None:
        """scaling, shift: latents are (encoded - shift) * scaling."""
        self.network: Any = network
        self.scaling, self.shift = scaling, shift

    @classmethod
    def read(cls, part: Part, reader: Reader, scaling: float, shift: float | None = None) -> Autoencoder:
        """The autoencoder of a part; scaling and shift are the family's, where the part's own config has none."""
        # fp16 overflows in SD1's and SDXL's autoencoders, which gives black pictures.
        dtype = torch.float32 if reader.dtype == torch.float16 else reader.dtype
        config = part.form.config
        own = float(config.get("scaling_factor") or scaling), float(config.get("shift_factor") or shift or 0.0)
        return cls(reader.network(part, dtype=dtype), *own)

    @torch.inference_mode()
    def encode_grey(self, width: int, height: int) -> Tensor:
        """Latents (1, channels, height/8, width/8) float32 of a picture grey all over; zeros without encoder."""
        channels = int(self.network.config.latent_channels)
        if self.network.encoder is None:
            return torch.zeros(1, channels, height // 8, width // 8, device=self.network.device)
        grey = torch.zeros(1, 3, height, width, device=self.network.device, dtype=self.network.dtype)
        return self._latents(grey)

    @torch.inference_mode()
    def encode_picture(self, pictures: Tensor, tile: int = 0) -> Tensor:
        """Pictures (batch, height, width, 3) uint8 as latents (batch, channels, height/8, width/8) float32.

        Of what the encoder finds likely it is the middle, so that equal pictures give equal latents; A1111 draws by
        chance around it. tile: as in `decode`. Raises BadNumbers, and InvalidField where there is no encoder.
        """
        if self.network.encoder is None:
            raise InvalidField(
                "The VAE of this model has no encoder, so no picture can become its latents.",
                field="vae",
                remedies=("Choose a VAE that is whole", "Choose an upscaler of the Latent kind"),
            )
        latents = []
        for picture in torch.split(pictures, 1):
            pixels = picture.permute(0, 3, 1, 2).to(self.network.device, torch.float32).div_(127.5).sub_(1.0)
            pixels = pixels.to(self.network.dtype)
            encoded = by_tiles(self._latents, pixels, tile, _FACTOR, 1) if tile else self._latents(pixels)
            _check(encoded)
            latents.append(encoded)
        return torch.cat(latents)

    def _latents(self, pixels: Tensor) -> Tensor:
        encoded: Tensor = self.network.encode(pixels).latent_dist.mode().float()
        return (encoded - self.shift) * self.scaling

    def decode(self, latents: Tensor, tile: int = 0) -> Tensor:
        """Latents as pictures (batch, height, width, 3) uint8 on the host. Raises BadNumbers.

        tile: side in latent cells of the tiles that the picture is decoded by; 0 decodes the whole.
        """
        pictures = []
        for latent in torch.split(latents, 1):
            cells = (latent / self.scaling + self.shift).to(self.network.dtype)
            decoded = self._whole(cells) if tile == 0 else by_tiles(self._whole, cells, tile, 1, _FACTOR)
            _check(decoded)
            scaled = decoded.mul_(127.5).add_(127.5).round_().clamp_(0, 255)
            pictures.append(scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu())
        return torch.cat(pictures)

    def _whole(self, latent: Tensor) -> Tensor:
        picture: Tensor = self.network.decode(latent, return_dict=False)[0]
        return picture.float()


def _check(made: Tensor) -> None:
    if not bool(torch.isfinite(made).all()):
        raise BadNumbers(
            "The autoencoder answered with values that are no numbers.",
            remedies=("Compute in full precision (--no-half)", "Use another checkpoint"),
        )
