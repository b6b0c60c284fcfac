"""Put models where there is room for them, and further away each time that memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import nn

from webui.core.errors import OutOfMemory
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.config import VramMode
from webui.engine.device import STORAGE, memory
from webui.engine.families.base import LoadedModel
from webui.engine.memory.ladder import Rung
from webui.engine.memory.placement import Placement, Room, budget, plan
from webui.engine.memory.seats import LEAST_BLOCK, Move, Seats

log = logging.getLogger(__name__)

_RAM = torch.device("cpu")
# What pictures are computed in beside the weights, when nothing is known of them yet.
_WORKING_BYTES = 3 * 2**29


class Placing:
    """Where one model that is being loaded goes."""

    def __init__(self, placement: Placement, movable: bool) -> None:
        """movable: whether there is RAM beside the device's memory."""
        self.placement = placement
        self._movable = movable

    @property
    def home(self) -> torch.device | None:
        """Where its weights are read to; None is the device."""
        return None if self.placement is Placement.DEVICE else _RAM

    def rung(self) -> Rung:
        """One place further away."""
        return Rung(
            "offload",
            "Memory is short, so the model waits in RAM, and comes to the device in parts.",
            self._further,
            self._begin,
        )

    def _further(self) -> int:
        if not self._movable or self.placement is Placement.BLOCKS:
            return 0
        self.placement = Placement(self.placement + 1)
        return int(self.placement)

    def _begin(self, placement: int) -> bool:
        self.placement = max(self.placement, Placement(placement))
        return True


class Placer:
    """Decides for the models of a device. A device whose memory is the machine's own has one place only."""

    def __init__(
        self,
        device: torch.device,
        dtype: torch.dtype,
        mode: VramMode,
        sharers: int = 1,
        *,
        move: Move | None = None,
        least_block: int = LEAST_BLOCK,
    ) -> None:
        """sharers: how many processes keep models on this device. move, least_block: see `Seats`."""
        self._device, self._dtype, self._mode = device, dtype, mode
        self._room = Room(memory(device)[1] // sharers, _WORKING_BYTES)
        self._least_block = least_block
        self._movable = device.type == "cuda" or move is not None
        self._seats = Seats(device, budget(mode, self._room), move)
        if not self._movable and mode not in ("automatic", "none"):
            log.warning("--%s changes nothing here: models wait in the memory that this device computes in.", mode)

    def of(self, checkpoint: Checkpoint) -> Placing:
        """Where a model that is to be loaded goes first. Raises OutOfMemory when it can fit nowhere."""
        sizes = self._sizes(checkpoint)
        place = plan(self._mode, checkpoint.family, sizes, self._room) if self._movable else Placement.DEVICE
        total = self._room.total if place is Placement.DEVICE else memory(_RAM)[1]
        if sum(sizes.values()) > total:
            raise OutOfMemory(
                f"{checkpoint.name} takes {_gigabytes(sum(sizes.values()))} of memory, and there are "
                f"{_gigabytes(total)} in all.",
                field="checkpoint",
                remedies=(
                    "Choose a smaller checkpoint",
                    "Keep its weights in fewer bits (denoiser precision fp8)",
                    *(("Start without --highvram",) if self._movable and place is Placement.DEVICE else ()),
                ),
            )
        return Placing(place, self._movable)

    def settle(self, model: LoadedModel, placement: Placement) -> None:
        """Have a model whose weights were read to RAM compute on the device."""
        if placement is Placement.DEVICE:
            return
        model.device = self._device
        for network in model.networks:
            by_blocks = placement is Placement.BLOCKS and not _is_autoencoder(network)
            self._seats.seat(network, by_blocks=by_blocks, least_block=self._least_block)

    def make_room(self) -> bool:
        """Take weights off the device that wait there for nobody; whether there were any."""
        return self._seats.leave_idle()

    def _sizes(self, checkpoint: Checkpoint) -> Mapping[str, int]:
        """Bytes of each part's weights in memory."""
        sizes = {
            name: part.parameters * STORAGE.get(part.kept_as, self._dtype).itemsize
            for name, part in checkpoint.parts.items()
        }
        return sizes if any(sizes.values()) else {"all": checkpoint.size_bytes}


def _is_autoencoder(network: nn.Module) -> bool:
    return hasattr(network, "decode")


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GB"
