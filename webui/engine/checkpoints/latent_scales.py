"""The scales of families' latents, which files of weights do not hold."""

from __future__ import annotations

from typing import Final, NamedTuple


class Scale(NamedTuple):
    """Latents are (encoded - shift_factor) * scaling_factor; the names are diffusers', None stands for no shift."""

    scaling_factor: float
    shift_factor: float | None = None


SD: Final = Scale(0.18215)
SDXL: Final = Scale(0.13025)
SD3: Final = Scale(1.5305, 0.0609)
FLUX: Final = Scale(0.3611, 0.1159)
