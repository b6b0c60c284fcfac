"""Where the tokens of a UNet's layers lie in its picture."""

from __future__ import annotations

from typing import Any

from torch import nn

from webui.core.errors import DarkroomError

Sides = tuple[int, int]
"""(height, width) in tokens, or in cells of the latents."""


class Cells:
    """Learnt from the network's forward passes while this watches them. Used by one thread."""

    def __init__(self, network: nn.Module) -> None:
        self.latents: Sides = (0, 0)
        """Of the pass that is being made."""
        self._finest = 0
        self._hook = network.register_forward_pre_hook(self._begin)

    def remove(self) -> None:
        """Watch no longer."""
        self._hook.remove()

    def layer(self, count: int) -> tuple[Sides, int]:
        """(sides of a layer of so many tokens, how often they were halved since the pass's finest layer).

        To be asked by each layer of a pass. Raises DarkroomError where so many tokens are no picture.
        """
        # A UNet goes from its finest layers to its coarsest and back.
        self._finest = self._finest or count
        sides, halvings = self._halved(count)
        return sides, halvings - self._halved(self._finest)[1]

    @property
    def fresh(self) -> bool:
        """Whether no layer of the pass has asked yet."""
        return not self._finest

    def _begin(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        # A UNet is called with its latents first.
        height, width = args[0].shape[-2:]
        self.latents, self._finest = (height, width), 0

    def _halved(self, count: int) -> tuple[Sides, int]:
        (height, width), halvings = self.latents, 0
        while height * width > count:
            height, width, halvings = -(-height // 2), -(-width // 2), halvings + 1
        if height * width != count:
            raise DarkroomError(
                f"A layer has {count} tokens, which are no picture of {self.latents}, so none are left out."
            )
        return (height, width), halvings
