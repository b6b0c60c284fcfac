"""The names that merged checkpoints get. Torch-free."""

from __future__ import annotations

from webui.core.model_work import ADD_DIFFERENCE, NO_INTERPOLATION, Merge


def merged_name(request: Merge, a: str, b: str = "", c: str = "") -> str:
    """The name that A1111 gives a merged checkpoint; names without their ends."""
    multiplier = round(request.multiplier, 2)
    if request.interp_method == NO_INTERPOLATION:
        return a
    if request.interp_method == ADD_DIFFERENCE:
        return f"{a} + {multiplier}({b} - {c})"
    return f"{round(1 - request.multiplier, 2)}({a}) + {multiplier}({b})"
