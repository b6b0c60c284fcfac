"""From a lane's latents to picture files: decoded, changed by extensions, with what is written beside the pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image
from torch import Tensor

from webui import __version__
from webui.core import infotext
from webui.core.events import Picture
from webui.core.prompt.adapters import hashes_text
from webui.core.said_texts import with_texts
from webui.core.saving import Saving
from webui.engine.generate import Run
from webui.engine.hooks import Numbers, transformed
from webui.engine.lanes import LaneEnd
from webui.images.metadata import write_png, wrong_in
from webui.plugins.calls import Bound, call_of
from webui.plugins.manager import Plugins

_TOLD = ("image", "index", "seed", "request", "options")
"""What a post-processing function may take."""


def finish_batch(
    run: Run, batch: int, end: LaneEnd, decode: Callable[[Tensor], Image.Image], plugins: Plugins, compress_level: int
) -> Iterator[Picture]:
    """The pictures of a batch that are not there yet, decoded and encoded one by one.

    decode: the picture of a latent (1, channels, height/8, width/8). What it raises comes through.
    """
    request, images = run.request, end.images or ()
    for place in range(request.batch_size):
        index = batch * request.batch_size + place
        # A batch that was cut short need not have all its pictures.
        if index in run.done or index in run.made or place >= len(images if end.latents is None else end.latents):
            continue
        if end.latents is None:
            image = images[place]
        else:
            image = decode(_before_decoding(plugins, run, index, end.latents[place : place + 1]))
        yield _picture(run, index, _finished(plugins, run, index, image), end.stopped_at, plugins, compress_level)


def _before_decoding(plugins: Plugins, run: Run, index: int, latents: Tensor) -> Tensor:
    bounds = plugins.bound("before_decoding", run.request)
    if not bounds:
        return latents
    numbers = Numbers()
    # The lane's own stay as they are: they may be decoded again.
    latents = transformed(bounds, latents.clone(), numbers, {"index": index})
    numbers.verify()
    return latents


def _finished(plugins: Plugins, run: Run, index: int, image: Image.Image) -> Image.Image:
    """The picture as extensions make it: by hooks first, then by the post-processing that is switched on."""
    request = run.request
    image = plugins.transform("image_ready", image, Image.Image, request=request, index=index)
    for row, options in plugins.switched_on("post_processing", request):
        call = call_of(row, "post_processing", _TOLD)
        bound = Bound(call, {"request": request, "options": options}, plugins.meter)
        answer = bound({"image": image, "index": index, "seed": request.seed_of(index)})
        if not isinstance(answer, Image.Image):
            raise bound.refuse(f"{row.name} returned {type(answer).__name__} in place of an image.")
        image = answer
    return image


def _picture(
    run: Run, index: int, image: Image.Image, stopped_at: int | None, plugins: Plugins, compress_level: int
) -> Picture:
    request = run.request
    second = (run.hires_texts or {}).get(index, request.with_hires_texts.templates)
    said, templates = with_texts(request, (run.texts or {}).get(index, request.templates), second)
    extras: dict[str, Any] = {} if stopped_at is None else {"Stopped at step": stopped_at}
    saving = _saving(plugins, run, index, image, Saving(extras | templates))
    # A batch has the adapters of its first picture.
    first = index - index % request.batch_size
    used = [(run.texts or {}).get(first, request.templates)[0]]
    if request.hires is not None:
        used.append((run.hires_texts or {}).get(first, request.with_hires_texts.templates)[0])
    hashes = {infotext.LORAS: hashes_text(used, request.lora_hashes, comments=request.has_comments)}
    text = infotext.write(said, index, f"Darkroom {__version__}", {**hashes, **saving.infotext}, plugins.panels)
    data = write_png(image, text, request.record_of(index), compress_level, index, saving.chunks)
    return Picture(index, request.seed_of(index), data, image.width, image.height, text, stopped_at)


def _saving(plugins: Plugins, run: Run, index: int, image: Image.Image, saving: Saving) -> Saving:
    for bound in plugins.bound("before_saving", run.request):
        answer = bound({"saving": saving, "image": image, "index": index})
        if answer is None:
            continue
        wrong = wrong_in(answer)
        if wrong:
            raise bound.refuse(wrong)
        saving = answer
    return saving
