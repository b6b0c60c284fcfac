"""One picture of a batch's latents, within the memory that there is."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image
from torch import Tensor

from webui.core.errors import OutOfMemory
from webui.engine import latents as latent_space
from webui.engine.families.base import LoadedModel
from webui.engine.memory.ladder import Shape, kind_of
from webui.engine.memory.rungs import Relief, Tiles, evicting, freeing, ways_out


def decode_within(relief: Relief, model: LoadedModel, latent: Tensor, tell: Callable[[str], None]) -> Image.Image:
    """The picture of a latent (1, channels, height/8, width/8). tell: hears what was done for want of memory.

    Raises BadNumbers, OutOfMemory.
    """
    tiles = Tiles(max(latent.shape[-2:]) if isinstance(model, latent_space.TiledDecoder) else 0)
    height, width = (side * model.latent_factor for side in latent.shape[-2:])

    def decode() -> Image.Image:
        if tiles.side and isinstance(model, latent_space.TiledDecoder):
            return latent_space.decode_tiled(model, latent, tiles.side)[0]
        return latent_space.decode(model, latent)[0]

    return relief.ladder.run(
        Shape("decode", kind_of(model.denoiser), height * width),
        (freeing(model.device), evicting(relief.evict), tiles.rung()),
        decode,
        tell,
        lambda: OutOfMemory(
            f"The picture is computed, but there is not enough memory to decode it ({width} × {height}).",
            field="width",
            remedies=ways_out(model.device, "Lower the size"),
        ),
    )
