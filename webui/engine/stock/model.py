"""A loaded stock pipeline: it makes a batch of pictures in one call, and shows latents on the way."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from webui.core.errors import InvalidField
from webui.core.request import GenerationRequest
from webui.engine.stock.arguments import arguments, scale
from webui.engine.stock.watch import Watcher, watched
from webui.plugins.builtin.stock import StockClass

log = logging.getLogger(__name__)

_GUIDER = "guider"


class StockModel:
    """A pipeline of diffusers with its parts in memory. One thread draws; another may decode latents meanwhile."""

    def __init__(self, pipeline: Any, row: StockClass, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.row = row
        self.parts: Mapping[str, Any] = {name: p for name, p in pipeline.components.items() if p is not None}
        self.networks: Sequence[nn.Module] = tuple(p for p in self.parts.values() if isinstance(p, nn.Module))
        self._pipeline = pipeline
        self._vae = self.parts.get("vae")
        self._decoding = threading.RLock()
        self._shown = self._showable()
        if row.modular:
            self._takes: frozenset[str] = frozenset(one.name for one in pipeline.blocks.inputs)
        else:
            self._takes = frozenset(inspect.signature(type(pipeline).__call__).parameters)

    @property
    def latent_factor(self) -> int:
        """Pixels per latent cell, along each side; 1 where there is no autoencoder that is known."""
        if self._vae is None:
            return 1
        return int(getattr(self._pipeline, "vae_scale_factor", 8))

    def stages(self, steps: int, pictures: int) -> list[int]:
        """How many steps each of the stages has that a batch of so many pictures goes through, in order."""
        more = self.row.more_steps
        if not more:
            return [steps]
        # What such pipelines draw noise for at once is not one for each picture, so each is made by itself.
        return ([steps, more] if self.row.steps_as.startswith("prior_") else [more, steps]) * pictures

    @property
    def tiles(self) -> bool:
        """Whether its autoencoder can decode by tiles."""
        return hasattr(self._vae, "enable_tiling")

    def draw(
        self,
        request: GenerationRequest,
        seeds: Sequence[int],
        watcher: Watcher,
        *,
        texts: Sequence[tuple[str, str]] = (),
        tiled: bool = False,
    ) -> list[Image.Image]:
        """A batch of pictures, one for each seed; what happens on the way is told to `watcher`. One call at a time.

        texts: of each picture, its prompt and negative prompt; none where all have the request's templates. tiled: its
        autoencoder decodes by tiles, and one picture after the other.

        A run that is cut short may give fewer: the first ones. Raises InvalidField for what the class refuses, and
        whatever the watcher and the networks raise.
        """
        if self.row.scale_as == _GUIDER:
            # A component's own value; it is the same object for all runs, which come one after the other.
            self.parts[_GUIDER].guidance_scale = scale(self.row, request.cfg_scale)
        images: list[Image.Image] = []
        with self._by_tiles(tiled), watched(self.parts, watcher, self._decoding) as is_cut:
            size = 1 if self.row.more_steps else len(seeds)
            for first in range(0, len(seeds), size):
                if not is_cut():
                    some, own = seeds[first : first + size], texts[first : first + size]
                    images += self._call(arguments(self.row, self._takes, request, some, self.device, own))
        return [image.convert("RGB") for image in images]

    @contextmanager
    def _by_tiles(self, wanted: bool) -> Iterator[None]:
        ways = ("tiling", "slicing") if wanted else ()
        known = [way for way in ways if hasattr(self._vae, f"enable_{way}")]
        for way in known:
            getattr(self._vae, f"enable_{way}")()
        try:
            yield
        finally:
            for way in known:
                getattr(self._vae, f"disable_{way}")()

    def _call(self, given: dict[str, Any]) -> Sequence[Image.Image]:
        try:
            if self.row.modular:
                images: Sequence[Image.Image] = self._pipeline(**given, output="images")
            else:
                images = self._pipeline(**given).images
        except ValueError as error:
            if "height" in str(error) and "divisible" in str(error):
                raise InvalidField(f"The model does not draw this size: {error}"[:300], field="width") from error
            raise
        return images

    def unpacked(self, latents: Tensor, width: int, height: int) -> Tensor | None:
        """A batch's first latents as the autoencoder takes them, (1, channels, height/factor, width/factor) float32.

        None where that form is not known. latents: as the pipeline has them, perhaps in packed rows of 2 x 2 cells.
        """
        first = latents[:1].float()
        if first.ndim == 5 and first.shape[2] == 1:
            first = first[:, :, 0]
        if first.ndim == 3:
            rows, columns = height // (2 * self.latent_factor), width // (2 * self.latent_factor)
            if first.shape[1] != rows * columns or first.shape[2] % 4:
                return None
            first = self._whitened(first)
            cells = first.view(1, rows, columns, first.shape[2] // 4, 2, 2)
            first = cells.permute(0, 3, 1, 4, 2, 5).reshape(1, -1, 2 * rows, 2 * columns)
        return first if first.ndim == 4 and first.shape[1] == self._shown else None

    def _whitened(self, packed: Tensor) -> Tensor:
        """Packed latents without the statistics that Flux.2's autoencoder keeps of them."""
        norm = getattr(self._vae, "bn", None)
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
            return packed
        return packed * (norm.running_var + norm.eps).sqrt().to(packed) + norm.running_mean.to(packed)

    def decode(self, latents: Tensor) -> Tensor:
        """`unpacked` latents as pictures (batch, height, width, 3) uint8 on the host."""
        if self._vae is None:
            picture = latents
        else:
            with self._decoding:
                picture = self._vae.decode(self._scaled(latents).to(self._vae.dtype)).sample
        if picture.ndim == 5:
            picture = picture[:, :, 0]
        # In the steps of the image processors of all pipelines: to 0..1, clamped, to whole numbers.
        return (picture[:, :3].float() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()

    def _showable(self) -> int:
        """Channels of latents that can be decoded for a preview, 0 where they cannot."""
        if self._vae is None:
            # Pixels themselves: DeepFloyd's pipeline has no autoencoder, those with another name for it have.
            return 3 if not any(name in self.parts for name in ("movq", "vqgan", "decoder")) else 0
        if self.row.runs.startswith("Ideogram4"):
            # Its patches are packed in another order.
            return 0
        config = self._vae.config
        return int(config.get("z_dim") or config.get("latent_channels") or 0)

    def _scaled(self, latents: Tensor) -> Tensor:
        config = self._vae.config  # type: ignore[union-attr]
        if config.get("latents_mean"):
            mean, std = (
                torch.tensor(config[name], device=latents.device).view(1, -1, 1, 1)
                for name in ("latents_mean", "latents_std")
            )
            latents = latents * std + mean
            # Autoencoders for videos, which take a frame's number too.
            return latents.unsqueeze(2) if config.get("z_dim") else latents
        return latents / (config.get("scaling_factor") or 1.0) + (config.get("shift_factor") or 0.0)
