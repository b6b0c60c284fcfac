"""Where a model's weights are kept while it is in memory: on the device, in RAM by networks, or in RAM by blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from webui.engine.config import VramMode


class Placement(IntEnum):
    """The further down, the less memory of the device it takes and the more time."""

    DEVICE = 0
    """All on the device, always."""
    PARTS = 1
    """In RAM; each network comes to the device to compute, and leaves when another needs the room."""
    BLOCKS = 2
    """The same, and of the denoiser and the text encoders only the block that computes."""


@dataclass(frozen=True, slots=True)
class Room:
    """A device's memory in bytes: what it has in all, and what pictures are computed in beside the weights.

    chosen: what a person lets models keep of it; 0 where nobody has said.
    """

    total: int
    working: int
    chosen: int = 0

    @property
    def for_weights(self) -> int:
        """What is left for weights."""
        left = max(0, self.total - self.working)
        return min(left, self.chosen) if self.chosen else left


def plan(mode: VramMode, family: str, sizes: Mapping[str, int], room: Room) -> Placement:
    """Where the weights of a model go. sizes: bytes of each part's weights, as they will be in memory, by name.

    `automatic` takes the first that fits the device; `medvram-sdxl` means medvram for SDXL and automatic for others.
    """
    if mode == "lowvram":
        return Placement.BLOCKS
    if mode == "medvram" or (mode == "medvram-sdxl" and family.startswith("sdxl")):
        return Placement.PARTS
    if mode == "none" or sum(sizes.values()) <= room.for_weights:
        return Placement.DEVICE
    return Placement.PARTS if max(sizes.values()) <= room.for_weights else Placement.BLOCKS


def budget(mode: VramMode, room: Room) -> int:
    """Bytes of weights that wait in RAM which may be on the device at once while there is no need for the room."""
    return room.for_weights if mode in ("automatic", "none") else 0
