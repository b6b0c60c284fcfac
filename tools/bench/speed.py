"""What each speed option saves, and how far its picture is from the plain one, on the starter model."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tools.bench.manager import engine_on, ours_of
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


def speed(model: Path, work: Work, device: str, threads: int) -> list[Row]:
    """A row for each option: seconds with it by seconds without, in turn, of a whole picture. model: its folder."""
    if threads:
        torch.set_num_threads(threads)
    checkpoint = Catalogue((model.parent,), hash_large=False).get(model.name)
    times: dict[str, list[float]] = {}
    pictures: dict[str, list[Image.Image]] = {}
    plain: dict[str, Any] = {}
    with engine_on(model.parent, threads, device) as (engine, told):
        draw = ours_of(engine, told)
        for number in range(-1, work.pairs):
            for options in (plain, *OPTIONS, plain):
                request = GenerationRequest(**{**work.request(number + 1), "checkpoint": checkpoint.title, **options})
                seconds, picture = draw(request)
                if number >= 0:
                    times.setdefault(name_of(options), []).append(seconds)
                    pictures.setdefault(name_of(options), []).append(picture)
    # Before and after the others in each round.
    first, again = times[name_of(plain)][::2], times[name_of(plain)][1::2]
    found = [_row(options, times, pictures, first) for options in OPTIONS]
    return [*found, Row("speed: plain / plain again", ratio(first, again), "times")]


def name_of(options: dict[str, Any]) -> str:
    """The option in words."""
    return ", ".join(f"{name} {value}" for name, value in options.items()) or "plain"


def _row(
    options: dict[str, Any], times: dict[str, list[float]], pictures: dict[str, list[Image.Image]], plain: list[float]
) -> Row:
    name = name_of(options)
    pairs = zip(pictures[name], pictures["plain"][::2], strict=True)
    apart = statistics.mean(float(np.abs(np.asarray(a, int) - np.asarray(b, int)).mean()) for a, b in pairs)
    note = f"{statistics.median(times[name]):.2f} against {statistics.median(plain):.2f} s; {apart:.2f}/255 apart"
    return Row(f"speed: {name} / plain", ratio(times[name], plain), "times", note=note, samples={name: times[name]})
