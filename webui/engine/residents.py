"""Models in memory: what they were loaded from, where they are, how large they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.families.base import LoadedModel
from webui.engine.memory.placing import Placing
from webui.engine.reading.kept import size_of

Key = tuple[tuple[tuple[str, int, int], ...], tuple[str, ...]]


@dataclass
class Resident:
    """A model in memory. users: how many loans there are of it; used: when the last one ended, of time.monotonic."""

    model: LoadedModel
    name: str
    placing: Placing
    users: int = 0
    used: float = 0.0
    copied: bool = False
    """Whether it was made for the device, and has a copy in RAM of when it had to leave."""
    away: bool = False
    """Whether that copy is all that there is, so that it must come back before it is lent."""

    @property
    def in_ram(self) -> bool:
        """Whether its weights lie there, beside a device with memory of its own."""
        return self.copied or self.placing.home is not None

    @property
    def on_device(self) -> bool:
        """Whether all its weights lie there, until it is told to leave."""
        return self.placing.home is None and not self.away


def size_of_all(residents: Iterable[Resident], without: Iterable[nn.Module] = ()) -> int:
    """Bytes of all their networks but these; one that several share counts once."""
    networks = {id(network): network for resident in residents for network in resident.model.networks}
    for network in without:
        networks.pop(id(network), None)
    return sum(size_of(network.parameters()) for network in networks.values())


def key_of(checkpoint: Checkpoint) -> Key:
    """What the model is loaded from, so that a file that was replaced is loaded again, and how it is kept.

    Raises ModelProblem.
    """
    try:
        stats = [(str(file), file.stat()) for file in checkpoint.weights]
    except OSError as error:
        raise ModelProblem(
            f"{checkpoint.name} is no longer complete: a file of its weights is gone.", field="checkpoint"
        ) from error
    kept = tuple(part.kept_as for part in checkpoint.parts.values())
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats), kept
