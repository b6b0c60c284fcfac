"""Where a request wants its noise drawn: A1111's names of the sources."""

from __future__ import annotations

from typing import Final, Literal, get_args

CPU: Final = "CPU"
"""On the CPU: a seed means the same picture on every device."""

GPU: Final = "GPU"
"""On the device that computes; a machine without a GPU draws on the CPU."""

NV: Final = "NV"
"""What a CUDA card draws, computed on the CPU."""

Source = Literal["GPU", "CPU", "NV"]
CHOICES: Final[tuple[str, ...]] = get_args(Source)
