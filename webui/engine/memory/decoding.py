"""One picture of a batch's latents, or the latents of one picture, within the memory that there is."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image
from torch import Tensor

from webui.core.errors import BadNumbers, InvalidField, OutOfMemory
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


def encode_within(relief: Relief, model: LoadedModel, image: Image.Image, tell: Callable[[str], None]) -> Tensor:
    """The latents (1, channels, height/8, width/8) float32 of a picture; its sides are multiples of the model's.

    tell: as in `decode_within`. Raises BadNumbers, OutOfMemory, and InvalidField where the model has no encoder.
    """
    if not isinstance(model, latent_space.PictureEncoder):
        raise InvalidField(
            "No picture can become this model's latents.",
            field="hr_upscaler",
            remedies=("Choose an upscaler of the Latent kind", "Choose another checkpoint"),
        )
    encoder = model
    tiles = Tiles(max(image.size) // model.latent_factor, "encodes")

    def encode() -> Tensor:
        try:
            return latent_space.encode(encoder, image, tiles.side)
        except BadNumbers as error:
            raise latent_space.BadEncoding(error.detail, remedies=error.remedies) from error

    return relief.ladder.run(
        Shape("encode picture", kind_of(model.denoiser), image.height * image.width),
        (freeing(model.device), evicting(relief.evict), tiles.rung()),
        encode,
        tell,
        lambda: OutOfMemory(
            f"There is not enough memory to go on with a picture of {image.width} × {image.height}.",
            field="hr_scale",
            remedies=ways_out(model.device, "Lower what it is enlarged to"),
        ),
    )
