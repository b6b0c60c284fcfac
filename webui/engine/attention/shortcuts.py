"""What spares a UNet's self-attention a part of its work, at some cost to the picture: tiles, then merged tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from webui.core.request import GenerationRequest
from webui.engine.attention.cells import Cells
from webui.engine.attention.merging import TokenMerging
from webui.engine.attention.tiles import HyperTile, Tiling, cut

Back = Callable[[Tensor], Tensor]
"""Gives the answer for a layer's shortened tokens back to all of them, (batch, tokens, width)."""


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """What a lane asks for. Transformers have none of it."""

    merging_ratio: float = 0.0
    """The share of the tokens that is merged."""
    tiling: Tiling | None = None

    @classmethod
    def of(cls, request: GenerationRequest) -> Shortcuts:
        """Those of a request."""
        tiling = Tiling(
            request.hypertile_max_depth_unet, request.hypertile_max_tile_unet, request.hypertile_swap_size_unet
        )
        return cls(request.token_merging_ratio, tiling if request.hypertile_enable_unet else None)


WHOLE = Shortcuts()
"""None."""


class Shortened:
    """The shortcuts of one network, while they are applied there. Used by one thread."""

    def __init__(self, shortcuts: Shortcuts, network: nn.Module) -> None:
        self._cells = Cells(network)
        self._tiles = HyperTile(shortcuts.tiling) if shortcuts.tiling else None
        self._merging = TokenMerging(shortcuts.merging_ratio) if shortcuts.merging_ratio > 0 else None
        self._met: Counter[int] = Counter()

    def remove(self) -> None:
        """Let the network's next forward pass alone."""
        self._cells.remove()

    def enter(self, tokens: Tensor) -> tuple[Tensor, Back]:
        """The tokens of a layer, (batch, tokens, width), to attend to themselves, and what takes their answer back.

        Of the pass's layers with self-attention each is to be asked about, in their order.
        """
        if self._cells.fresh:
            self._met.clear()
        sides, depth = self._cells.layer(tokens.shape[1])
        place = self._met[depth]
        self._met[depth] += 1
        steps: list[Back] = []
        grid = self._tiles.grid(sides, depth, self._cells.latents, place) if self._tiles else (1, 1)
        if grid != (1, 1):
            tokens, whole = cut(tokens, sides, grid)
            sides = sides[0] // grid[0], sides[1] // grid[1]
            steps.append(whole)
        if self._merging is not None and depth == 0:
            # Within each tile, which is a picture by itself.
            tokens, part = self._merging.join(tokens, sides)
            steps.append(part)

        def back(answer: Tensor) -> Tensor:
            for step in reversed(steps):
                answer = step(answer)
            return answer

        return tokens, back
