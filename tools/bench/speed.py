"""What each speed option saves, and how far its picture is from the plain one, on the starter model."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tools.bench.manager import Draw, clock_of, engine_on, ours_of
from tools.bench.pictures import Work
from tools.bench.results import Row, ratio
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue

OPTIONS: tuple[dict[str, Any], ...] = (
    {"s_min_uncond": 3.0},
    {"s_min_uncond": 3.0, "s_min_uncond_all": True},
    {"skip_early_cond": 0.2},
    {"cfg_end": 0.75},
    {"token_merging_ratio": 0.5},
)
LARGE_OPTIONS: tuple[dict[str, Any], ...] = (
    {"token_merging_ratio": 0.5},
    {"hypertile_enable_unet": True},
    {"hypertile_enable_unet": True, "hypertile_max_tile_unet": 128},
    {"hypertile_enable_unet": True, "token_merging_ratio": 0.5},
)
"""Those that save attention, which small pictures have little of."""
LARGE_SIDE, LARGE_STEPS = 1024, 4
ENGINES: tuple[dict[str, Any], ...] = (
    {"channels_last": True},
    {"fuse_qkv_projections": True},
    {"compile_repeated_blocks": True},
)
"""Options of the worker, each on an engine of its own."""
_COMPILED_SECONDS = 1800


@dataclass
class _Case:
    """One way to make the pictures, and what came of it."""

    name: str
    draw: Draw
    values: Mapping[str, Any] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    pictures: list[Image.Image] = field(default_factory=list)


def speed(
    model: Path,
    work: Work,
    device: str,
    threads: int,
    large_side: int = LARGE_SIDE,
    engines: Sequence[Mapping[str, Any]] = ENGINES,
) -> list[Row]:
    """A row for each option: seconds with it by seconds without, in turn, of a whole picture. model: its folder."""
    if threads:
        torch.set_num_threads(threads)
    title = Catalogue((model.parent,), hash_large=False).get(model.name).title
    large = replace(work, width=large_side, height=large_side, steps=LARGE_STEPS)
    with ExitStack() as opened:
        engine, told = opened.enter_context(engine_on(model.parent, threads, device))
        draw = ours_of(engine, told, clock_of(engine))
        rows = _compared("speed", [_Case(name_of(values), draw, values) for values in OPTIONS], draw, work, title)
        name = f"speed, {large_side} x {large_side}"
        rows += _compared(name, [_Case(name_of(values), draw, values) for values in LARGE_OPTIONS], draw, large, title)
        cases = []
        for options in engines:
            other, its = opened.enter_context(engine_on(model.parent, threads, device, **options))
            cases.append(_Case(name_of(options), ours_of(other, its, clock_of(other))))
            # The first picture has it compile, where it does.
            cases[-1].draw(_request(work, 0, title))
            other._attention.wait(_COMPILED_SECONDS)
        return rows + _compared("speed, worker", cases, draw, work, title)


def _compared(name: str, cases: Sequence[_Case], plain: Draw, work: Work, title: str) -> list[Row]:
    """The cases in turn, and the plain way before and after the others in each round."""
    first, again = _Case("plain", plain), _Case("plain again", plain)
    for number in range(-1, work.pairs):
        for case in (first, *cases, again):
            seconds, picture = case.draw(_request(work, number + 1, title, case.values))
            # The first round warms up.
            if number >= 0:
                case.times.append(seconds)
                case.pictures.append(picture)
    return [*(_row(name, case, first) for case in cases), _row(name, again, first)]


def _request(work: Work, number: int, title: str, values: Mapping[str, Any] | None = None) -> GenerationRequest:
    return GenerationRequest(**{**work.request(number), "checkpoint": title, **(values or {})})


def name_of(options: Mapping[str, Any]) -> str:
    """The option in words."""
    return ", ".join(f"{name} {value}" for name, value in options.items()) or "plain"


def _row(name: str, case: _Case, plain: _Case) -> Row:
    pairs = zip(case.pictures, plain.pictures, strict=True)
    apart = statistics.mean(float(np.abs(np.asarray(a, int) - np.asarray(b, int)).mean()) for a, b in pairs)
    figures = f"{statistics.median(case.times):.2f} against {statistics.median(plain.times):.2f} s"
    samples = {case.name: case.times, "plain": plain.times}
    what = f"{name}: {case.name} / plain"
    return Row(what, ratio(case.times, plain.times), "times", note=f"{figures}; {apart:.2f}/255 apart", samples=samples)
