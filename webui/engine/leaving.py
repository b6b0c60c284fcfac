"""Idle models leave a device when its memory is wanted: to RAM, whence they come back unread, or altogether."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Collection, MutableMapping, Sequence

import torch
from torch import nn

from webui.core.errors import first_line
from webui.engine.device import free_cache, ran_short
from webui.engine.families.base import LoadedModel
from webui.engine.memory.placing import WAITS_IN_RAM, Placer
from webui.engine.memory.rungs import Freed
from webui.engine.reading.cache import NetworkCache
from webui.engine.residents import Key, Resident, size_of_all

log = logging.getLogger(__name__)

_RAM = torch.device("cpu")
# How long to wait at most until nothing refers to a dropped model any more.
_FREEING_SECONDS = 2.0


class Leaving:
    """The way out for the models of one device, and the way back; safe to use from several threads."""

    def __init__(
        self,
        residents: MutableMapping[Key, Resident],
        lock: threading.Condition,
        reader: NetworkCache,
        ram_budget: int,
        placer: Callable[[], Placer],
        plain: Callable[[nn.Module], object],
    ) -> None:
        """residents: what is in memory, guarded by `lock`. reader: what read their networks.

        ram_budget: bytes of models that may lie in RAM beside the device. plain: takes out of a network's weights what
        was merged into them, to the last bit.
        """
        self._residents, self._lock, self._reader = residents, lock, reader
        self._ram_budget = ram_budget
        self._placer, self._plain = placer, plain
        self.loading = threading.RLock()
        """Held by whoever reads models, and while some move: none may be read into networks that do."""
        self.count = 0
        """How many have left."""

    def evict(self, budget: int, shared: Sequence[nn.Module] = (), *, on_device: bool | None = None) -> list[str]:
        """Have idle models leave, longest unused first, until the rest fits; their names.

        shared: networks of which dropping frees nothing, as the model that is loaded next needs them too. on_device:
        only those on the device, which move to RAM where that has room; or only those in RAM; None: all, altogether.
        """
        # Whoever cannot have it at once has no time for moving either: memory ran out while somebody else loads.
        may_move = on_device is True and self.loading.acquire(blocking=False)
        try:
            chosen = self._choose(budget, shared, on_device)
            names = [resident.name for _, resident in chosen]
            dropped: list[weakref.ref[LoadedModel]] = []
            while chosen:
                key, resident = chosen.pop(0)
                others = [*shared, *(network for _, one in chosen for network in one.model.networks)]
                if not (may_move and self._moved(key, resident, others)):
                    log.info("Dropped %s from memory.", resident.name)
                    dropped.append(weakref.ref(resident.model))
                del resident
        finally:
            if may_move:
                self.loading.release()
        if names:
            self.count += len(names)
            self._free(dropped)
        return names

    def make_room(self) -> Freed:
        """Have idle models leave the device because memory ran out, and weights that wait in RAM; what made room."""
        gone, left = self.evict(0, on_device=True), self._placer().make_room()
        return Freed.MODELS if gone else Freed(left)

    def back(self, resident: Resident, budget: int, note: Callable[[str], None]) -> None:
        """Bring a model that was put away to the device, where others make way for it by this budget.

        For whoever holds `loading`. Where there is no room, or another model in RAM has networks of it, it comes in
        parts from now on; note: hears that.
        """
        self.evict(max(0, budget - size_of_all([resident])), on_device=True)
        with self._lock:
            shared = self._has_networks_of([resident.model], but=resident)
        if shared or not (self._brought(resident) or (self.make_room() and self._brought(resident))):
            note(WAITS_IN_RAM)
            resident.placing, resident.copied = resident.placing.in_parts(), False
        resident.away = False

    def _brought(self, resident: Resident) -> bool:
        networks = resident.model.networks
        try:
            with self._reader.moving(networks, None):
                self._placer().bring_back(resident.model)
        except Exception as error:
            if not ran_short(error):
                raise
            return False
        return True

    def _choose(self, budget: int, shared: Sequence[nn.Module], on_device: bool | None) -> list[tuple[Key, Resident]]:
        """Take out of what can be lent whatever has to leave."""
        chosen = []
        with self._lock:
            if on_device is False:
                self._forget_copies(budget, shared)
            counted = {
                key: resident
                for key, resident in self._residents.items()
                if on_device is None or (resident.on_device if on_device else resident.in_ram)
            }
            held = size_of_all(counted.values(), shared)
            for _, key in sorted((resident.used, key) for key, resident in counted.items() if resident.users == 0):
                if held <= budget:
                    break
                del counted[key]
                held = size_of_all(counted.values(), shared)
                chosen.append((key, self._residents.pop(key)))
        return chosen

    def _moved(self, key: Key, resident: Resident, others: Collection[nn.Module]) -> bool:
        """Whether a model that is not in `residents` any more is there again, and waits in RAM.

        One that has networks in common with another (or with `others`) cannot move without that.
        """
        networks = resident.model.networks
        with self._lock:
            shared = self._has_networks_of([resident.model]) or any(_among(others, network) for network in networks)
        if shared or not resident.placing.can_move or not (resident.copied or self._has_ram_for(resident)):
            return False
        try:
            for network in networks:
                self._plain(network)
            with self._reader.moving(networks, _RAM):
                self._placer().put_away(resident.model)
        except Exception as error:  # noqa: BLE001 whatever it is, the model's file is still there
            log.warning("%s cannot wait in RAM: %s", resident.name, first_line(error))
            return False
        log.info("%s waits in RAM.", resident.name)
        resident.copied = resident.away = True
        with self._lock:
            self._residents[key] = resident
        return True

    def _has_networks_of(self, models: Collection[LoadedModel], but: Resident | None = None) -> bool:
        wanted = [network for model in models for network in model.networks]
        others = [resident for resident in self._residents.values() if resident is not but]
        return any(_among(wanted, network) for resident in others for network in resident.model.networks)

    def _has_ram_for(self, resident: Resident) -> bool:
        """Whether RAM's budget has room for a model, when models there that were used less recently have left."""
        size = size_of_all([resident])
        with self._lock:
            before = [one for one in self._residents.values() if one.in_ram and not one.on_device]
        if size + size_of_all(one for one in before if one.users or one.used > resident.used) > self._ram_budget:
            return False
        self.evict(self._ram_budget - size, on_device=False)
        return True

    def _forget_copies(self, budget: int, shared: Sequence[nn.Module]) -> None:
        """Of what lies in RAM, copies of models on the device are worth least."""
        waiting = [resident for resident in self._residents.values() if resident.in_ram]
        for resident in sorted(waiting, key=lambda one: one.used):
            if resident.on_device and size_of_all(waiting, shared) > budget:
                self._placer().forget(resident.model)
                resident.copied = False
                waiting.remove(resident)

    def _free(self, dropped: Sequence[weakref.ref[LoadedModel]]) -> None:
        """Wait until models are gone, and have torch give back what it keeps of them."""
        # Threads that were just done with a model may still refer to it, and its memory is free only after them.
        deadline = time.monotonic() + _FREEING_SECONDS
        while any(model() is not None for model in dropped) and time.monotonic() < deadline:
            time.sleep(0.01)
        # Networks of other libraries may refer to themselves in circles.
        gc.collect()
        free_cache(self._reader.device)


def _among(networks: Collection[nn.Module], network: nn.Module) -> bool:
    return any(one is network for one in networks)
