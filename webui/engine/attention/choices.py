"""What `auto` chooses by: backends timed against each other once for each device, dtype and class of shapes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor

from webui.engine.attention.base import DEFAULT, Attend, sdpa
from webui.engine.device import describe_device, free_cache, is_out_of_memory
from webui.engine.tables import read_table, write_table

log = logging.getLogger(__name__)

Candidates = Callable[[torch.device, torch.dtype, int], Iterator[tuple[str, Attend]]]
"""(device, dtype, head width) -> those that serve there, the default first."""

_FILE = "attention.json"
_ROUNDS = 5
_MOST_ROUNDS = 60
# Seconds for each, after which nothing quicker is expected: short computations need more rounds.
_ENOUGH = 0.05
# Another one than torch's own must be faster by this part, or a clock's noise would choose.
_GAIN = 0.02
# Of the largest number of the right answer: how far apart rounding alone brings answers in each dtype.
_TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}
# Queries whose answers are compared; they tell as well as all do.
_COMPARED = 256
# What is so many times slower in the first round is not timed again.
_HOPELESS = 1.5


@dataclass(frozen=True, slots=True)
class ShapeClass:
    """Shapes that are taken for equally fast: counts rounded up to a power of two."""

    kind: str
    """"self" where the keys are of the same tokens as the queries, as their counts tell, else "cross"."""
    heads: int
    """Of the whole batch."""
    queries: int
    keys: int
    width: int

    @classmethod
    def of(cls, query: Tensor, key: Tensor) -> ShapeClass:
        """The class of (batch, heads, tokens, width) each."""
        batch, heads, queries, width = query.shape
        kind = "self" if queries == key.shape[2] else "cross"
        return cls(kind, _bucket(batch * heads), _bucket(queries), _bucket(key.shape[2]), width)

    def __str__(self) -> str:
        return f"{self.kind} {self.heads} x {self.queries} x {self.keys} x {self.width}"


@dataclass(frozen=True, slots=True)
class _Task:
    """One class that is to be measured, by the first shapes of it that were asked for."""

    key: str
    device: torch.device
    dtype: torch.dtype
    query: tuple[int, ...]
    keys: tuple[int, ...]


class Measured:
    """What is known of shapes, and what is to be measured. Belongs to one thread.

    A job never waits for a measurement and never changes its backend on the way: `best` notes what is unknown, and
    `measure_next` is called while no job runs.
    """

    def __init__(self, candidates: Candidates, packages: Sequence[str], cache_dir: Path | None) -> None:
        """packages: import names of those whose versions matter beside torch's."""
        self._candidates = candidates
        self._packages = packages
        self._file = cache_dir and cache_dir / _FILE
        self._machines: dict[torch.device, str] = {}
        self._known: dict[str, dict[str, str]] = {}
        self._wanted: dict[str, _Task] = {}
        self._running: tuple[_Task, Generator[None, None, dict[str, float]]] | None = None
        self._best: dict[tuple[torch.device, torch.dtype, ShapeClass], Attend] = {}

    def best(self, query: Tensor, key: Tensor) -> Attend:
        """What computes attention of these shapes fastest; torch's own until it is measured."""
        shape = query.device, query.dtype, ShapeClass.of(query, key)
        return self._best.get(shape) or self._look_up(query, key, shape[2])

    def measure_next(self) -> bool:
        """Make one computation of what is to be measured, then return; False when there is nothing to do."""
        if self._running is None:
            if not self._wanted:
                return False
            task = self._wanted.pop(next(iter(self._wanted)))
            self._running = task, self.measuring(task.device, task.dtype, task.query, task.keys)
        task, running = self._running
        try:
            next(running)
            return True
        except StopIteration as end:
            times: dict[str, float] = end.value
        except Exception as error:  # noqa: BLE001 whatever goes wrong here is nobody's job
            log.info("Attention of the shape %s was not measured: %s", task.key, error)
            times = {}
        self._running = None
        # Other workers may share the card, and they see what lies in the cache as taken.
        free_cache(task.device)
        self._learn(task, fastest(times))
        return True

    def measuring(
        self, device: torch.device, dtype: torch.dtype, query: Sequence[int], keys: Sequence[int]
    ) -> Generator[None, None, dict[str, float]]:
        """Seconds of those that serve shapes like these (batch, heads, tokens, width) with right answers.

        Comes up for air after each computation. In turns, so that what else the machine does meets all alike.
        """
        generator = torch.Generator().manual_seed(0)
        q, k, v = (torch.randn(shape, generator=generator).to(device, dtype) for shape in (query, keys, keys))
        right = _right(q, k, v)
        times: dict[str, float] = {}
        serving: dict[str, Attend] = {}
        for name, attend in self._candidates(device, dtype, query[-1]):
            yield
            if name == DEFAULT or _agrees(attend, q, k, v, right):
                serving[name] = attend
        for turn in range(_MOST_ROUNDS):
            for name, attend in list(serving.items()):
                yield
                times[name] = min(times.get(name, math.inf), seconds_of(attend, q, k, v))
                if turn and times[name] > _HOPELESS * min(times.values()) and name != DEFAULT:
                    del serving[name]
            if turn >= _ROUNDS and turn * min(times.values()) > _ENOUGH:
                break
        return times

    def _learn(self, task: _Task, name: str) -> None:
        machine = self._machine(task.device)
        self._known[machine][task.key] = name
        log.info("auto computes attention of the shape %s by %s.", task.key, name)
        self._best.clear()
        self._save(machine)

    def _look_up(self, query: Tensor, key: Tensor, shape: ShapeClass) -> Attend:
        name = f"{str(query.dtype).removeprefix('torch.')} {shape}"
        chosen = self._known.get(self._machine(query.device), {}).get(name)
        if chosen is None:
            self._wanted.setdefault(name, _Task(name, query.device, query.dtype, tuple(query.shape), tuple(key.shape)))
            # Not kept, since it holds only until this is measured.
            return sdpa
        serving = self._candidates(query.device, query.dtype, query.shape[-1])
        found = next((attend for name, attend in serving if name == chosen), sdpa)
        self._best[query.device, query.dtype, shape] = found
        return found

    def _machine(self, device: torch.device) -> str:
        """What figures belong to: this device with these versions; reads what is known of it."""
        if device not in self._machines:
            parts = [f"torch {torch.__version__}", describe_device(device), *_versions(self._packages)]
            self._machines[device] = machine = ", ".join(parts)
            self._known[machine] = self._read().get(machine, {})
        return self._machines[device]

    def _read(self) -> dict[str, dict[str, str]]:
        """The file's content."""
        return {
            machine: {key: name for key, name in known.items() if isinstance(name, str)}
            for machine, known in read_table(self._file).items()
            if isinstance(known, dict)
        }

    def _save(self, machine: str) -> None:
        """Write what is known of this device beside what the file says of others."""
        if self._file is not None:
            write_table(self._file, {**self._read(), machine: self._known[machine]}, "What was measured of attention")


def fastest(times: dict[str, float]) -> str:
    """The one to take: torch's own unless another is faster by more than a clock's noise."""
    best = min(times, key=lambda name: times[name], default=DEFAULT)
    own = times.get(DEFAULT, 0.0)
    return best if times.get(best, own) < own * (1 - _GAIN) else DEFAULT


def _bucket(count: int) -> int:
    return 1 << (count - 1).bit_length()


def _right(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The answer in fp32 for some queries, which tell whether a backend is right as well as all do."""
    some = query[:, :, :_COMPARED].float()
    scores = (some * query.shape[-1] ** -0.5) @ key.float().transpose(-1, -2)
    return scores.softmax(dim=-1) @ value.float()


def _agrees(attend: Attend, query: Tensor, key: Tensor, value: Tensor, right: Tensor) -> bool:
    """Whether the backend serves this shape and its answer is the right one within rounding."""
    try:
        answer = attend(query, key, value)[:, :, :_COMPARED].float()
    except Exception as error:  # noqa: BLE001 one that refuses, or has too little memory, is not chosen
        if is_out_of_memory(error):
            free_cache(query.device)
        return False
    return bool((answer - right).abs().max() <= _TOLERANCE.get(query.dtype, 0.0) * right.abs().max())


def seconds_of(attend: Attend, query: Tensor, key: Tensor, value: Tensor) -> float:
    """Of one call, the device waited for; on the CPU those that it computed, without what other programs took."""
    clock = time.process_time if query.device.type == "cpu" else time.perf_counter
    _wait(query.device)
    started = clock()
    attend(query, key, value)
    _wait(query.device)
    return clock() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _versions(packages: Sequence[str]) -> list[str]:
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found
