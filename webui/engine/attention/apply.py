"""A backend applied to a network, with torch's own attention in reserve, and all of it taken back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from diffusers import UNet2DConditionModel
from torch import nn

from webui.engine.attention.backends import Backends
from webui.engine.attention.base import DEFAULT
from webui.engine.attention.reserve import WithReserve
from webui.engine.attention.shortcuts import WHOLE, Shortcuts
from webui.engine.attention.transformers import replace_attention
from webui.engine.attention.unet import set_processors


@dataclass(frozen=True, slots=True)
class Applied:
    """A network's changed attention. `notes`: sentences about what could not be done as chosen; they come with time."""

    undo: Callable[[], None]
    notes: Collection[str] = ()


Apply = Callable[[str, nn.Module, Shortcuts], Applied]
"""By a backend's name or alias, with shortcuts where the network is a UNet."""


def apply(backends: Backends, name: str, network: nn.Module, shortcuts: Shortcuts = WHOLE) -> Applied:
    """Change how the network computes attention; in one that never asks torch for it nothing. Raises UnknownName."""
    row = backends.row(name)
    attend = WithReserve(row, backends)
    if isinstance(network, UNet2DConditionModel):
        return Applied(set_processors(network, attend, shortcuts), attend.notes)
    if row.name == DEFAULT:
        # It is how transformers compute by themselves.
        return Applied(lambda: None)
    return Applied(replace_attention(network, attend), attend.notes)
