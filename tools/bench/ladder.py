"""What running out of memory costs: a job that climbs a rung, and the next that remembers it, against one without."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tools.bench.manager import clock_of, engine_on, ours_of
from tools.bench.pictures import Work
from tools.bench.results import Row, ratio
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.memory.ladder import Shape


@dataclass(frozen=True, slots=True)
class Rung:
    """A stage whose first attempt fails, and a request that leaves it this way out."""

    name: str
    stage: str
    values: Mapping[str, Any]


RUNGS = (
    Rung("half the pictures at once", "denoise", {"batch_size": 4}),
    Rung("cheaper attention", "denoise", {"cfg_scale": 1.0}),
    Rung("decoding by tiles", "decode", {"width": 512, "height": 512, "steps": 4}),
)


class _Shortage:
    """Told of each attempt, it has one of a stage fail when `stage` is set."""

    def __init__(self) -> None:
        self.stage = ""

    def __call__(self, shape: Shape) -> None:
        if shape.stage == self.stage:
            self.stage = ""
            raise MemoryError


def ladder(model: Path, work: Work, device: str, threads: int) -> list[Row]:
    """Three rows for each rung. What fails does so before it computes: on a card its time comes on top.

    model: a checkpoint's folder.
    """
    if threads:
        torch.set_num_threads(threads)
    title = Catalogue((model.parent,), hash_large=False).get(model.name).title
    shortage = _Shortage()
    rows: list[Row] = []
    with engine_on(model.parent, threads, device, on_try=shortage) as (engine, told):
        draw = ours_of(engine, told, clock_of(engine))
        for rung in RUNGS:
            times: dict[str, list[float]] = {"plain": [], "climbs": [], "remembers": [], "plain again": []}
            for number in range(-1, work.pairs):
                request = GenerationRequest(**{**work.request(number + 1), "checkpoint": title, **rung.values})
                for case, kept in times.items():
                    if case.startswith("plain"):
                        engine._relief.ladder.forget()
                    shortage.stage = rung.stage if case == "climbs" else ""
                    seconds, _ = draw(request)
                    if number >= 0:
                        kept.append(seconds)
            rows += [_row(rung, case, times) for case in ("climbs", "remembers", "plain again")]
    return rows


def _row(rung: Rung, case: str, times: Mapping[str, list[float]]) -> Row:
    note = f"{statistics.median(times[case]):.2f} against {statistics.median(times['plain']):.2f} s"
    name = f"ladder: {rung.name}, {case} / plain"
    return Row(name, ratio(times[case], times["plain"]), "times", note=note, samples={case: times[case]})
