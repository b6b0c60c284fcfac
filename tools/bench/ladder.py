"""What running out of memory costs: a job that climbs a rung, and the next that remembers it, against one without."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from tools.bench.manager import Draw, clock_of, engine_on, ours_of
from tools.bench.pictures import Work
from tools.bench.results import Row, ratio
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.engine import Engine
from webui.engine.memory.ladder import Shape

_CASES = ("climbs", "remembers", "plain again")
_BESIDE = "beside"
"""The name of the other model, a copy of the one that is measured."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A stage where memory runs out, and a request that leaves it this way out.

    beside: whether another model is in memory that nobody uses. lasts: whether memory stays short until the model waits
    in RAM, beside a card. cases: what is compared with the job that finds memory enough.
    """

    name: str
    stage: str
    values: Mapping[str, Any]
    beside: bool = False
    lasts: bool = False
    cases: Sequence[str] = _CASES


RUNGS = (
    # What was in the way once need not be again, so the next job remembers nothing.
    Rung("another model makes room", "denoise", {}, beside=True, cases=("climbs", "plain again")),
    Rung("half the pictures at once", "denoise", {"batch_size": 4}),
    Rung("cheaper attention", "denoise", {"cfg_scale": 1.0}),
    Rung("decoding by tiles", "decode", {"width": 512, "height": 512, "steps": 4}),
    Rung("the model waits in RAM", "denoise", {"cfg_scale": 1.0}, lasts=True),
)


class _Shortage:
    """Told of each attempt, it has those of one stage fail while `until` does not hold; without it the first one."""

    def __init__(self) -> None:
        self.stage = ""
        self.until: Callable[[], bool] | None = None

    def __call__(self, shape: Shape) -> None:
        if shape.stage != self.stage or (self.until is not None and self.until()):
            return
        if self.until is None:
            self.stage = ""
        raise MemoryError


def ladder(model: Path, work: Work, device: str, threads: int) -> list[Row]:
    """Rows for each rung. What fails does so before it computes: on a card its time comes on top.

    model: a checkpoint's folder.
    """
    if threads:
        torch.set_num_threads(threads)
    shortage = _Shortage()
    with TemporaryDirectory() as place:
        folder = Path(place)
        for name in (model.name, _BESIDE):
            shutil.copytree(model, folder / name)
        titles = {name: Catalogue((folder,), hash_large=False).get(name).title for name in (model.name, _BESIDE)}
        with engine_on(folder, threads, device, on_try=shortage) as (engine, told):
            draw = ours_of(engine, told, clock_of(engine))
            bench = _Bench(engine, shortage, draw, titles[model.name], titles[_BESIDE])
            return [row for rung in RUNGS for row in bench.rows(rung, work)]


@dataclass(frozen=True, slots=True)
class _Bench:
    """An engine with two models, and what makes its memory run out."""

    engine: Engine
    shortage: _Shortage
    draw: Draw
    title: str
    other: str

    def rows(self, rung: Rung, work: Work) -> list[Row]:
        """A row for each of the rung's cases."""
        if rung.lasts and not self.engine._pipelines._placer._movable:
            return [Row(f"ladder: {rung.name}", None, "times", note="only where a GPU is: elsewhere models are in RAM")]
        times: dict[str, list[float]] = {case: [] for case in ("plain", *rung.cases)}
        for number in range(-1, work.pairs):
            request = GenerationRequest(**{**work.request(number + 1), "checkpoint": self.title, **rung.values})
            for case, kept in times.items():
                seconds = self._seconds(rung, case, request)
                # The first round warms up.
                if number >= 0:
                    kept.append(seconds)
        self.engine._relief.ladder.forget()
        return [_row(rung, case, times) for case in rung.cases]

    def _seconds(self, rung: Rung, case: str, request: GenerationRequest) -> float:
        remembered = self.engine._relief.ladder
        if case.startswith("plain"):
            remembered.forget()
        if case == "climbs" and rung.beside:
            self.draw(request.but(checkpoint=self.other))
        if case.startswith("plain") and rung.lasts:
            # The model comes back to where it computes.
            self.draw(request)
        self.shortage.stage = rung.stage if case == "climbs" else ""
        self.shortage.until = self._is_away if rung.lasts else None
        seconds, _ = self.draw(request)
        self.shortage.stage = ""
        return seconds

    def _is_away(self) -> bool:
        """Whether the model is remembered to have to wait in RAM."""
        return any(shape.stage == "load" for shape in self.engine._relief.ladder._known)


def _row(rung: Rung, case: str, times: Mapping[str, list[float]]) -> Row:
    note = f"{statistics.median(times[case]):.2f} against {statistics.median(times['plain']):.2f} s"
    name = f"ladder: {rung.name}, {case} / plain"
    return Row(name, ratio(times[case], times["plain"]), "times", note=note, samples={case: times[case]})
