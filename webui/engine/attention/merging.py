"""Token merging: a UNet's self-attention over fewer tokens, like ones being joined before it and parted after it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from webui.engine.attention.cells import Sides
from webui.engine.attention.slices import LARGEST_SCORES

Part = Callable[[Tensor], Tensor]
"""Gives the answer for the joined tokens, (batch, fewer, width), back to all of them, (batch, tokens, width)."""

Places = tuple[Tensor, Tensor]
"""(those that always stay, all others) of a picture's tokens."""


class TokenMerging:
    """Used by one thread.

    Tokens are joined in the layers with the most of them, where attention costs most; in SD1 and SD2 those are the
    layers of the latents' own size, as in tomesd, in SDXL those of half of it.
    """

    def __init__(self, ratio: float) -> None:
        """ratio: the share of the tokens that is to vanish, 0 to 0.75; more cannot."""
        self._ratio = ratio
        self._places: dict[tuple[Sides, torch.device], Places] = {}

    def join(self, tokens: Tensor, sides: Sides) -> tuple[Tensor, Part]:
        """The tokens of a layer of these sides, (batch, tokens, width), joined."""
        where = sides, tokens.device
        if where not in self._places:
            self._places[where] = places_of(*where)
        return joined(tokens, self._places[where], self._ratio)


def joined(tokens: Tensor, places: Places, ratio: float) -> tuple[Tensor, Part]:
    """Join the `ratio` of the tokens (batch, height * width, channels) that are most like one that stays.

    Nothing here waits for the device.
    One of each 2 x 2 tokens stays, the first of them, always, so that the same picture comes again. Bolya and Hoffman,
    "Token Merging for Fast Stable Diffusion" (2023), section 4; they draw the one that stays.
    """
    targets, sources = places
    count = min(len(sources), int(tokens.shape[1] * ratio))
    likeness, nearest = _nearest(functional.normalize(tokens, dim=-1), sources, targets)
    order = likeness.argsort(dim=-1, descending=True)
    leaving, staying = (_wide(part, tokens) for part in (order[:, :count], order[:, count:]))
    goal = _wide(nearest.gather(1, order[:, :count]), tokens)
    moved = tokens[:, sources].gather(1, leaving)
    met = tokens[:, targets].scatter_reduce(1, goal, moved, "mean", include_self=True)

    def part(answer: Tensor) -> Tensor:
        own, shared = answer.split([staying.shape[1], len(targets)], dim=1)
        rest = answer.new_empty(answer.shape[0], len(sources), answer.shape[2])
        rest.scatter_(1, staying, own).scatter_(1, leaving, shared.gather(1, goal))
        whole = answer.new_empty(answer.shape[0], tokens.shape[1], answer.shape[2])
        whole[:, targets], whole[:, sources] = shared, rest
        return whole

    return torch.cat([tokens[:, sources].gather(1, staying), met], dim=1), part


def _nearest(unit: Tensor, sources: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """(likeness, place among the targets) of the target that is most like each source, (batch, sources)."""
    to = unit[:, targets].transpose(-1, -2)
    # As with attention, only so many are compared at once as memory is sure to hold.
    rows = max(1, LARGEST_SCORES // (unit.shape[0] * len(targets)))
    parts = [(unit[:, some] @ to).max(dim=-1) for some in sources.split(rows)]
    return torch.cat([likeness for likeness, _ in parts], dim=1), torch.cat([place for _, place in parts], dim=1)


def places_of(sides: Sides, device: torch.device) -> Places:
    """Of a picture of (height, width) tokens, row by row; what is left of odd sides may go too."""
    height, width = sides
    # On the host: how many there are is not known before it is counted, and a device would be waited for.
    stays = torch.zeros(height, width, dtype=torch.bool)
    stays[: height - height % 2 : 2, : width - width % 2 : 2] = True
    flat = stays.flatten()
    return flat.nonzero().squeeze(1).to(device), (~flat).nonzero().squeeze(1).to(device)


def _wide(places: Tensor, tokens: Tensor) -> Tensor:
    """Places (batch, n) for each channel of the tokens."""
    return places.unsqueeze(-1).expand(-1, -1, tokens.shape[2])
