"""A backend with torch's own attention in reserve, for calls that it cannot serve; and the notes that say so."""

from __future__ import annotations

import torch
from torch import Tensor

from webui.core.registry import AttentionBackend
from webui.engine.attention.backends import Backends
from webui.engine.attention.base import DEFAULT, Attend, said, sdpa
from webui.engine.device import is_out_of_memory


class WithReserve:
    """Computes by a row where that serves, else by torch's own; an `Attend`. Used by one thread."""

    def __init__(self, row: AttentionBackend, backends: Backends) -> None:
        self.notes: dict[str, None] = {}
        """One sentence for each reason why something was computed otherwise, in the order in which it came up."""
        self._row, self._backends = row, backends
        self._chosen: dict[tuple[torch.device, torch.dtype, int, bool], Attend] = {}

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        """See `Attend`."""
        kind = query.device, query.dtype, query.shape[-1], mask is not None
        attend = self._chosen.get(kind)
        if attend is None:
            attend = self._chosen[kind] = self._choose(*kind)
        if attend is sdpa:
            return sdpa(query, key, value, mask, scale)
        try:
            return attend(query, key, value, mask, scale)
        except Exception as error:
            # A device's fault shows up late and anywhere, so it must not be taken for this backend's refusal.
            if is_out_of_memory(error) or isinstance(error, torch.AcceleratorError):
                raise
            refusal = f"it refused a call ({said(error)})"
        self._chosen[kind] = self._reserve(refusal)
        return sdpa(query, key, value, mask, scale)

    def _choose(self, device: torch.device, dtype: torch.dtype, width: int, masked: bool) -> Attend:
        row = self._row
        ready = self._backends.ready(row.name, device, dtype)
        if ready.attend is None:
            return self._reserve(ready.reason)
        if row.head_sizes and width not in row.head_sizes:
            return self._reserve(f"it cannot compute layers whose heads are {width} wide")
        if masked and not row.masks:
            return self._reserve("it cannot compute layers with a mask")
        return ready.attend

    def _reserve(self, reason: str) -> Attend:
        if self._row.name != DEFAULT:
            self.notes[f"Attention by torch ({DEFAULT}) in place of {self._row.title}: {reason}."] = None
        return sdpa
