"""A row of the table of upscalers: what makes a picture larger before its second pass draws over it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Upscaler:
    """A way to make a picture larger; it has either a `mode` or a `function`.

    mode: it stretches the latents, in this mode of torch's interpolate, `antialias` as that knows it.
    function: it enlarges the picture itself; "module:function", resolved in the worker: (a PIL picture, (width, height)
    in pixels) -> a PIL picture of about that size, which is then brought to it with Lanczos.
    """

    name: str
    function: str = ""
    mode: str = ""
    antialias: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def is_latent(self) -> bool:
        """Whether it stretches latents, which then never become a picture in between."""
        return bool(self.mode)
