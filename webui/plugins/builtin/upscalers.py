"""The upscalers of Hires. fix, in A1111's order and by its names; extensions cannot add any yet."""

from __future__ import annotations

from webui.core.registry import Table
from webui.core.upscaler_rows import Upscaler

_HERE = "webui.engine.upscaling:"


def upscalers() -> Table[Upscaler]:
    """The kinds that stretch latents, then those that enlarge the picture."""
    rows = (
        Upscaler("Latent", mode="bilinear"),
        Upscaler("Latent (antialiased)", mode="bilinear", antialias=True),
        Upscaler("Latent (bicubic)", mode="bicubic"),
        Upscaler("Latent (bicubic antialiased)", mode="bicubic", antialias=True),
        Upscaler("Latent (nearest)", mode="nearest"),
        Upscaler("Latent (nearest-exact)", mode="nearest-exact"),
        Upscaler("None", _HERE + "unchanged"),
        Upscaler("Lanczos", _HERE + "lanczos"),
        Upscaler("Nearest", _HERE + "nearest"),
    )
    return Table("upscaler", rows, "hr_upscaler")
