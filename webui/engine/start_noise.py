"""What a picture's first noise is put together of: variation by slerp, and another size's noise in its centre."""

from __future__ import annotations

import torch
from torch import Tensor

_PARALLEL = 0.9995
"""Cosine above which two directions are one to float32, and the way between them is a line."""


def slerp(strength: float, low: Tensor, high: Tensor) -> Tensor:
    """From `low` (strength 0) to `high` (strength 1) along the arc between them, which keeps noise as strong as noise.

    Both are one picture's noise (channels, rows, columns). As in A1111, each column of each channel turns by an angle
    of its own: exact at both ends. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985.
    """
    across = {"dim": -2, "keepdim": True}
    cosine = (low / low.norm(**across) * (high / high.norm(**across))).sum(**across).clamp(-1.0, 1.0)
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    near = cosine > _PARALLEL
    from_low = torch.where(near, 1.0 - strength, torch.sin((1.0 - strength) * angle) / sine)
    from_high = torch.where(near, strength, torch.sin(strength * angle) / sine)
    return from_low * low + from_high * high


def paste_centre(into: Tensor, old: Tensor) -> None:
    """Write `old` into the middle of `into`, in place; both (channels, rows, columns) and of any two sizes.

    The smaller of the two counts along each side. Where the difference is odd the cell goes where A1111 has it.
    """
    (rows, at_row, from_row), (columns, at_column, from_column) = (
        _overlap(new_side, old_side) for new_side, old_side in zip(into.shape[1:], old.shape[1:], strict=True)
    )
    into[:, at_row : at_row + rows, at_column : at_column + columns] = old[
        :, from_row : from_row + rows, from_column : from_column + columns
    ]


def _overlap(new: int, old: int) -> tuple[int, int, int]:
    """(how many cells, from which of the new side, from which of the old)."""
    shift = (new - old) // 2
    return (old, shift, 0) if shift >= 0 else (old + 2 * shift, 0, -shift)
