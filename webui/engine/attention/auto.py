"""The backend that chooses, for each shape, the fastest of those whose answers are right."""

from __future__ import annotations

from torch import Tensor

from webui.engine.attention.base import Attend, Place, sdpa


def auto(place: Place) -> Attend:
    """By what was measured between jobs; torch's own for shapes that were not measured yet, and with masks."""
    choices = place.choices

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        if mask is not None:
            return sdpa(query, key, value, mask, scale)
        return choices.best(query, key)(query, key, value, None, scale)

    return attend
