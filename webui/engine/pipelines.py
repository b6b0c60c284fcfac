"""Loaded models: brought into memory once, lent with `with`, and dropped again when memory is wanted."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from webui.core.errors import OutOfMemory
from webui.core.model_memory import HeldModel, LastLoad, Unloaded
from webui.core.registry import Registry
from webui.engine.adapters.merging import Merging
from webui.engine.adapters.places import Atlas
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.config import EngineConfig
from webui.engine.device import free_cache, memory, precisions_of, process_bytes, ran_short
from webui.engine.families.base import LoadedModel
from webui.engine.leaving import Leaving
from webui.engine.memory.ladder import Climb, Ladder, Shape
from webui.engine.memory.placing import OFFLOAD, Placer, Placing, bytes_in_words
from webui.engine.memory.rungs import Freed, evicting, freeing, ways_out
from webui.engine.reading.cache import NetworkCache, PlacedReader
from webui.engine.residents import Key, Resident, key_of, size_of_all
from webui.plugins.resolve import resolve

# Share of the device's memory that idle models may keep when nothing else is said: the rest is for pictures.
_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class _Patience:
    """How whoever borrows a model waits for memory: see `Pipelines.lend`. held: what it holds itself."""

    given_up: Callable[[], bool]
    waits: Callable[[bool], None]
    held: Collection[Key]
    note: Callable[[str], None]


class Pipelines:
    """The models of one device; safe to use from several threads. One model is loaded at a time.

    A model that does not fit beside those that are lent waits until one of them comes back. So that this ends, whoever
    holds a loan must not wait for a thread that calls `lend`, and a job that needs several models says which of them it
    holds already, and borrows them one after the other, with no other job's borrowing between.
    """

    def __init__(
        self,
        registry: Registry,
        resolve: Callable[[str], Any],
        device: torch.device,
        dtype: torch.dtype,
        budget_bytes: int = 0,
        sharers: int = 1,
        *,
        precisions: Mapping[str, torch.dtype] = MappingProxyType({}),
        changed: Callable[[], None] = lambda: None,
        ladder: Ladder | None = None,
        placer: Placer | None = None,
        ram_budget_bytes: int = 0,
        channels_last: bool = False,
        fused: bool = False,
    ) -> None:
        """budget_bytes: what all models on the device may keep together; models that are lent stay even above it.

        sharers: how many processes keep models on this device. precisions, channels_last, fused: see `NetworkCache`.
        changed: called when a model has come or gone. ladder: remembers which loads ran out of memory.
        placer: says where models go; without one all go to the device. ram_budget_bytes: the same for those in RAM.
        """
        self._registry = registry
        self._resolve = resolve
        self._device = device
        self._reader = NetworkCache(
            registry, resolve, device, dtype, precisions, channels_last=channels_last, fused=fused
        )
        self._budget = budget_bytes or int(memory(device)[1] * _SHARE / sharers)
        self._ram_budget = ram_budget_bytes or int(memory(torch.device("cpu"))[1] * _SHARE / sharers)
        self._chosen = {budget_bytes, ram_budget_bytes} - {0}
        """Budgets that a person has set."""
        self._placer = placer or Placer(device, dtype, "automatic", sharers)
        self.atlas, self.merging = Atlas(registry.architectures, resolve), Merging(self.rest)
        """Where in its networks adapters' weights lie, and what merges them into denoisers, for the loop."""
        self._changed = changed
        self._ladder = ladder or Ladder()
        self._resident: dict[Key, Resident] = {}
        self._lock = threading.Condition()
        self._leaving = Leaving(
            self._resident, self._lock, self._reader, self._ram_budget, lambda: self._placer, self._unmerged
        )
        self._waiting = False
        self._waited = 0.0
        self.last_load: LastLoad | None = None

    @classmethod
    def of(
        cls,
        config: EngineConfig,
        registry: Registry,
        device: torch.device,
        dtype: torch.dtype,
        ladder: Ladder,
        changed: Callable[[], None],
    ) -> Pipelines:
        """Those that the engine's options ask for."""
        return cls(
            registry,
            resolve,
            device,
            dtype,
            config.model_budget_bytes,
            config.sharers,
            precisions=precisions_of({"vae": config.vae_precision}),
            changed=changed,
            ladder=ladder,
            placer=Placer(device, dtype, config.vram_mode, config.sharers, config.model_budget_bytes),
            ram_budget_bytes=config.ram_budget_bytes,
            channels_last=config.channels_last,
            fused=config.fuse_qkv_projections,
        )

    def names(self) -> list[str]:
        """The checkpoints in memory."""
        with self._lock:
            return list(dict.fromkeys(resident.name for resident in self._resident.values()))

    def describe(self) -> dict[str, Any]:
        """What is in memory: `detail` in words, `models` by name, `held` with their sizes, and the `last_load`.

        A model whose file was replaced may be held in both forms. `besides_bytes`: RAM of the process that no model is.
        """
        with self._lock:
            held = tuple(HeldModel(resident.name, size_of_all([resident])) for resident in self._resident.values())
            cpu = self._device.type == "cpu"
            in_ram = size_of_all(resident for resident in self._resident.values() if cpu or resident.in_ram)
        models = list(dict.fromkeys(model.name for model in held))
        detail = f"{', '.join(models)} loaded" if models else "no model loaded"
        besides = max(0, process_bytes() - in_ram)
        return {
            "detail": detail,
            "models": models,
            "held": held,
            "last_load": self.last_load,
            "besides_bytes": besides,
        }

    def unload(self) -> Unloaded:
        """Drop all idle models; those that are lent stay. May wait a moment until nothing refers to them any more."""
        dropped = self._evict(-1)
        with self._lock:
            in_use = [resident.name for resident in self._resident.values() if resident.users]
        return Unloaded(tuple(dict.fromkeys(dropped)), tuple(dict.fromkeys(in_use)))

    def make_room(self) -> Freed:
        """Have idle models leave the device because memory ran out; what made room. May take a moment, as `unload`."""
        freed = self._leaving.make_room()
        if freed is Freed.MODELS:
            self._changed()
        return freed

    def rest(self, network: nn.Module) -> None:
        """Have a network be where its weights wait once nobody computes with it; see `Seats.rest`."""
        self._placer.rest(network)

    def move_away(self, models: Collection[Any]) -> bool:
        """Have models wait in RAM when they are lent next, as there was no room to compute beside them.

        Whether lending them again is of use: one of them can move, or was moved away while it was lent. Loans stay
        good, but until all are given back the model still takes its room.
        """
        with self._lock:
            outdated = not self.holds(models)
            # In all forms that are in memory, which mostly share their denoiser.
            names = {resident.name for resident in self._resident.values() if _among(models, resident.model)}
            going = {key: r for key, r in self._resident.items() if r.name in names and r.placing.can_move}
            for key, resident in going.items():
                del self._resident[key]
                shape = _shape(resident.name)
                further = max(resident.placing.placement + 1, self._ladder.known(shape).get(OFFLOAD, 0))
                self._ladder.learn(shape, OFFLOAD, further)
        if going:
            self._changed()
        return bool(going) or outdated

    def holds(self, models: Collection[Any]) -> bool:
        """Whether these are what would be lent again; False when one of them was moved away."""
        with self._lock:
            return all(_among([r.model for r in self._resident.values()], model) for model in models)

    @contextmanager
    def lend(
        self,
        checkpoint: Checkpoint,
        given_up: Callable[[], bool] = lambda: False,
        waits: Callable[[bool], None] = lambda waiting: None,
        beside: Sequence[Checkpoint] = (),
        note: Callable[[str], None] = lambda text: None,
    ) -> Iterator[LoadedModel]:
        """The loaded model, kept in memory until the block ends; loads it first, which may take minutes.

        given_up: whether there is no use in waiting for other models to come back; asked again after `wake`.
        waits: told True when that waiting begins, and False when it is over. beside: what the caller holds already; it
        does not wait for those. note: hears what was done because memory ran out. Raises ModelProblem, OutOfMemory.
        """
        patience = _Patience(given_up, waits, [key_of(each) for each in beside], note)
        with self._loan(self._borrow(checkpoint, patience)) as model:
            yield model

    def lend_resident(self, checkpoints: Sequence[Checkpoint]) -> list[AbstractContextManager[LoadedModel]]:
        """The same at once for models in memory, to be entered; [] when one must be brought there, or others wait."""
        keys = [key_of(checkpoint) for checkpoint in checkpoints]
        with self._lock:
            found = [self._resident[key] for key in keys if key in self._resident]
            # Whoever waits for memory would wait for ever if the models in its way were lent again and again.
            if self._waiting or len(found) < len(keys) or any(one.away or self._outlived(one) for one in found):
                return []
            for resident in found:
                resident.users += 1
        return [self._loan(resident) for resident in found]

    def wake(self) -> None:
        """Ask whoever waits for memory whether it has given up."""
        with self._lock:
            self._lock.notify_all()

    def prefetch(self, checkpoint: Checkpoint) -> None:
        """Load a checkpoint before it is needed; waits for no other model. Raises as `lend`."""
        with self.lend(checkpoint, given_up=lambda: True):
            pass

    @contextmanager
    def _loan(self, resident: Resident) -> Iterator[LoadedModel]:
        try:
            yield resident.model
        finally:
            with self._lock:
                resident.users -= 1
                resident.used = time.monotonic()
                self._lock.notify_all()

    def _borrow(self, checkpoint: Checkpoint, patience: _Patience) -> Resident:
        key = key_of(checkpoint)
        known = self._take(key)
        if known is not None:
            return known
        with self._leaving.loading:
            # Somebody may have loaded it while this thread waited.
            known = self._take(key)
            if known is not None:
                return known
            began, self._waited, before = time.perf_counter(), 0.0, self._leaving.count
            resident = self._back(key, patience) or self._new(checkpoint, patience)
            seconds = time.perf_counter() - began - self._waited
            self.last_load = LastLoad(checkpoint.name, round(seconds, 3), self._leaving.count > before)
            with self._lock:
                self._resident[key] = resident
            self._changed()
            return resident

    def _back(self, key: Key, patience: _Patience) -> Resident | None:
        """A model that waits in RAM, on the device again."""
        with self._lock:
            resident = self._resident.get(key)
            if resident is None:
                return None
            if self._outlived(resident):
                del self._resident[key], resident
                # What it was in RAM refers to itself in circles.
                gc.collect()
                return None
            # Nobody else may drop it now.
            resident.users += 1
        try:
            self._leaving.back(resident, self._budget, patience.note)
        except BaseException:
            resident.users -= 1
            raise
        return resident

    def _new(self, checkpoint: Checkpoint, patience: _Patience) -> Resident:
        placing = self._placer.of(checkpoint, self._ladder.known(_shape(checkpoint.name)).get(OFFLOAD, 0))
        return Resident(self._load(checkpoint, patience, placing), checkpoint.name, placing, users=1)

    def _unmerged(self, network: nn.Module) -> None:
        self.merging.hold(network, None)

    def _take(self, key: Key) -> Resident | None:
        with self._lock:
            known = self._resident.get(key)
            if known is None or known.away or self._outlived(known):
                return None
            known.users += 1
            return known

    def _outlived(self, resident: Resident) -> bool:
        """Whether an idle model waits in RAM for want of memory that there is again."""
        return not resident.users and resident.placing.moved and not self._ladder.known(_shape(resident.name))

    def _make_way(self, checkpoint: Checkpoint, patience: _Patience, placing: Placing) -> list[nn.Module]:
        """Drop what has to go for a model where it is loaded to; what it shares with those, not to be read again."""
        if placing.moved:
            # What it was on the device may still refer to itself in circles.
            gc.collect()
            free_cache(self._device)
        budget = self._ram_budget if placing.home else self._budget
        if placing.size_bytes > budget and budget in self._chosen:
            patience.note(
                f"{checkpoint.name} takes {bytes_in_words(placing.size_bytes)}, and models may keep "
                f"{bytes_in_words(budget)} as the settings say, so all others make room for it."
            )
        shared = self._reader.held(checkpoint.parts.values(), placing.home, placing.by_blocks)
        self._evict(max(0, budget - placing.size_bytes), shared, on_device=placing.home is None)
        return shared

    def _load(self, checkpoint: Checkpoint, patience: _Patience, placing: Placing) -> LoadedModel:
        shared: list[nn.Module] = []

        def make_way() -> None:
            shared.clear()
            shared.extend(self._make_way(checkpoint, patience, placing))

        make_way()
        family = self._registry.families.get(checkpoint.family)
        load = self._resolve(family.function)
        own = bool(self._registry.own_sampler(family))
        rungs = freeing(self._device), evicting(self.make_room, remembered=True), placing.rung(make_way)
        climb = Climb(self._ladder, _shape(checkpoint.name), rungs)
        while True:
            for sentence in climb.notes:
                patience.note(sentence)
            try:
                climb.trying()
                model: LoadedModel = load(checkpoint, PlacedReader(self._reader, own, placing.home, placing.by_blocks))
                self._placer.settle(model, placing.placement)
                return model
            except Exception as error:
                if not ran_short(error):
                    raise
            # Outside the handler, so that nothing of the failed load is kept alive by its traceback.
            if not climb.up() and not (self._wait_for_return(patience) and self._evict(0, on_device=True)):
                raise OutOfMemory(
                    f"There is not enough memory to load {checkpoint.name}.",
                    field="checkpoint",
                    remedies=ways_out(self._device, "Choose a smaller checkpoint"),
                )

    def _wait_for_return(self, patience: _Patience) -> bool:
        """Wait until a model that is lent is idle; False when none can be that, or the waiting was given up."""
        given_up, waits = patience.given_up, patience.waits

        def others() -> list[Resident]:
            return [
                resident
                for key, resident in self._resident.items()
                if key not in patience.held and (resident.on_device or resident.users)
            ]

        def over() -> bool:
            return given_up() or not others() or any(resident.users == 0 for resident in others())

        with self._lock:
            if over():
                return bool(others()) and not given_up()
        waits(True)
        began = time.perf_counter()
        with self._lock:
            self._waiting = True
            try:
                self._lock.wait_for(over)
            finally:
                self._waiting = False
                self._waited += time.perf_counter() - began
            returned = bool(others()) and not given_up()
        waits(False)
        return returned

    def _evict(self, budget: int, shared: Sequence[nn.Module] = (), *, on_device: bool | None = None) -> list[str]:
        """See `Leaving.evict`."""
        names = self._leaving.evict(budget, shared, on_device=on_device)
        if names:
            self._changed()
        return names


def _shape(name: str) -> Shape:
    return Shape("load", name)


def _among(models: Collection[Any], model: Any) -> bool:
    """By identity, whatever a family's class calls equal."""
    return any(each is model for each in models)
