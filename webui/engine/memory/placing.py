"""Put models where there is room for them, and further away each time that memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch
from torch import nn

from webui.core.errors import OutOfMemory
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.config import VramMode
from webui.engine.device import STORAGE, left_by_others, memory
from webui.engine.families.base import LoadedModel
from webui.engine.memory.ladder import Rung
from webui.engine.memory.placement import Placement, Room, budget, plan
from webui.engine.memory.seats import LEAST_BLOCK, Move, Seats

log = logging.getLogger(__name__)

OFFLOAD = "offload"
WAITS_IN_RAM = "Memory is short, so the model waits in RAM, and comes to the device in parts."

_RAM = torch.device("cpu")
# What pictures are computed in beside the weights, when nothing is known of them yet.
_WORKING_BYTES = 3 * 2**29


class Placing:
    """Where one model that is being loaded goes."""

    def __init__(self, placement: Placement, size_bytes: int, movable: bool, known: int = Placement.DEVICE) -> None:
        """size_bytes: of all its weights. movable: whether there is room for it in RAM, beside the device's memory.

        known: how far away it is known to have to be.
        """
        self.size_bytes = size_bytes
        self._planned, self._movable = placement, movable
        self.placement = max(placement, Placement(known)) if movable else placement

    @property
    def moved(self) -> bool:
        """Whether it is further away than was planned."""
        return self.placement > self._planned

    @property
    def can_move(self) -> bool:
        """Whether there is a place further away."""
        return self._movable and self.placement is not Placement.BLOCKS

    @property
    def home(self) -> torch.device | None:
        """Where its weights are read to; None is the device."""
        return None if self.placement is Placement.DEVICE else _RAM

    @property
    def by_blocks(self) -> bool:
        """Whether its networks come to the device by blocks."""
        return self.placement is Placement.BLOCKS

    def in_parts(self) -> Placing:
        """The same for a model that waits in RAM after all, and comes to the device by networks."""
        return Placing(Placement.PARTS, self.size_bytes, self._movable)

    def rung(self, make_way: Callable[[], None]) -> Rung:
        """One place further away. make_way: called then, for room where its weights are read to."""

        def further() -> int:
            if not self.can_move:
                return 0
            self.placement = Placement(self.placement + 1)
            make_way()
            return int(self.placement)

        return Rung(OFFLOAD, WAITS_IN_RAM, further, lambda _: self.moved)


class Placer:
    """Decides for the models of a device, each time by what other programs leave of it.

    A device whose memory is the machine's own has one place only.
    """

    def __init__(
        self,
        device: torch.device,
        dtype: torch.dtype,
        mode: VramMode,
        sharers: int = 1,
        budget_bytes: int = 0,
        *,
        move: Move | None = None,
        least_block: int = LEAST_BLOCK,
    ) -> None:
        """sharers: how many processes keep models on this device. budget_bytes: what models may keep of it, where a
        person has said. move, least_block: see `Seats`."""
        self._device, self._dtype, self._mode = device, dtype, mode
        self._total, self._chosen = memory(device)[1] // sharers, budget_bytes
        self._least_block = least_block
        self._movable = device.type == "cuda" or move is not None
        self._seats = Seats(device, budget(mode, self._room()), move)
        if not self._movable and mode not in ("automatic", "none"):
            log.warning("--%s changes nothing here: models wait in the memory that this device computes in.", mode)

    def of(self, checkpoint: Checkpoint, known: int = Placement.DEVICE) -> Placing:
        """Where a model that is to be loaded goes first. known: how far away it is known to have to be.

        Raises OutOfMemory when it can fit nowhere.
        """
        sizes, room = self._sizes(checkpoint), self._room()
        self._seats.budget = budget(self._mode, room)
        place = plan(self._mode, checkpoint.family, sizes, room) if self._movable else Placement.DEVICE
        size = sum(sizes.values())
        total = self._total if place is Placement.DEVICE else memory(_RAM)[1]
        if size > total:
            raise OutOfMemory(
                f"{checkpoint.name} takes {bytes_in_words(size)} of memory, and there are "
                f"{bytes_in_words(total)} in all.",
                field="checkpoint",
                remedies=(
                    "Choose a smaller checkpoint",
                    "Keep its weights in fewer bits (denoiser precision fp8)",
                    *(("Start without --highvram",) if self._movable and place is Placement.DEVICE else ()),
                ),
            )
        return Placing(place, size, self._movable and size <= memory(_RAM)[1], known)

    def settle(self, model: LoadedModel, placement: Placement) -> None:
        """Have a model whose weights were read to RAM compute on the device."""
        if placement is Placement.DEVICE:
            return
        model.device = self._device
        for network in model.networks:
            by_blocks = placement is Placement.BLOCKS and not _is_autoencoder(network)
            self._seats.seat(network, by_blocks=by_blocks, least_block=self._least_block)

    def put_away(self, model: LoadedModel) -> None:
        """Have a model that is on the device and that nobody uses wait in RAM, as it is. May raise for want of RAM."""
        # Ordinary tensors, whichever thread sees to it.
        with torch.inference_mode(False), torch.no_grad():
            for network in model.networks:
                self._seats.seat(network)
                self._seats.go(network)

    def bring_back(self, model: LoadedModel) -> None:
        """Have a model that was put away be on the device as before; when there is no room it stays where it was.

        Its copy in RAM is kept until `forget`. Raises what torch does when memory runs out.
        """
        try:
            for network in model.networks:
                self._seats.stay(network)
        except BaseException:
            for network in model.networks:
                self._seats.go(network)
            raise

    def forget(self, model: LoadedModel) -> None:
        """Keep no copy in RAM of a model that was brought back."""
        for network in model.networks:
            self._seats.forget(network)

    def rest(self, network: nn.Module) -> None:
        """See `Seats.rest`."""
        self._seats.rest(network)

    def make_room(self) -> bool:
        """Take weights off the device that wait there for nobody; whether there were any."""
        return self._seats.leave_idle()

    def _room(self) -> Room:
        """What there is for models now: this process's share, and of that what other programs leave.

        Its own models count as room, even those that are lent: they make way, or come back. Where memory runs out
        before they do, the ladder sees to it.
        """
        return Room(min(self._total, left_by_others(self._device)), _WORKING_BYTES, self._chosen)

    def _sizes(self, checkpoint: Checkpoint) -> Mapping[str, int]:
        """Bytes of each part's weights in memory."""
        sizes = {
            name: part.parameters * STORAGE.get(part.kept_as, self._dtype).itemsize
            for name, part in checkpoint.parts.items()
        }
        return sizes if any(sizes.values()) else {"all": checkpoint.size_bytes}


def _is_autoencoder(network: nn.Module) -> bool:
    return hasattr(network, "decode")


def bytes_in_words(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"
