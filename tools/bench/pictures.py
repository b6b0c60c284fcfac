"""Speed of pictures: one against the pipeline, and sixteen clients against the UNet's own batch curve."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tools.bench.ours import Ours
from tools.bench.peer import Peer
from tools.bench.results import Row, at_least, at_most, chance, ratio

CLIENTS = 16
SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "DPM++ 2M SDE", "DDIM", "UniPC (diffusers)")
CURVE = (1, 2, 4, 8, 16, 32)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "moon")

ONE_BAR = 1.02
CURVE_BAR = 0.85
TURN_BAR = 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """What is made: size in pixels, steps, and how often each side goes."""

    width: int
    height: int
    steps: int
    pairs: int
    rounds: int
    label: str

    def request(self, number: int, sampler: str = "Euler", cfg_scale: float = 5.0) -> dict[str, Any]:
        """The values of picture `number`: another prompt and seed for each, so nothing is kept from the last."""
        prompt = f"a {COLOURS[number % 8]} {SHAPES[number // 8 % 8]} on a {COLOURS[(number + 3) % 8]} background"
        return {
            "prompt": prompt,
            "sampler_name": sampler,
            "scheduler": "Automatic",
            "steps": self.steps,
            "cfg_scale": cfg_scale,
            "width": self.width,
            "height": self.height,
            "seed": 1000 + number,
        }


async def one(ours: Ours, peer: Peer, work: Work, folder: Path) -> list[Row]:
    """One picture at a time: A, B, A in turn, so that the second A beside the first shows what chance does."""
    file = folder / "peer.png"
    for number in range(2):
        await ours.picture(work.request(number))
        peer.picture(work.request(number), file)
    a, b, again, apart = [], [], [], []
    for number in range(work.pairs):
        request = work.request(number)
        # The order turns, so that a machine that grows slower is no one's fault.
        if number % 2:
            b.append(peer.picture(request, file))
        seconds, saved = await ours.picture(request)
        a.append(seconds)
        if not number % 2:
            b.append(peer.picture(request, file))
        again.append((await ours.picture(request))[0])
        apart.append(_apart(saved, file))
    samples = {"ours": a, "ours again": again, "pipeline": b}
    figures = f"{_ms(a)} against {_ms(b)} ms; pictures at most {max(apart)}/255 apart"
    return [
        at_most(f"one picture, {work.label}: ours / pipeline", ratio(a, b), ONE_BAR, note=figures, samples=samples),
        Row(f"one picture, {work.label}: ours / ours again", ratio(a, again), "times", note="what chance does"),
    ]


async def clients(ours: Ours, peer: Peer, work: Work, folder: Path) -> list[Row]:
    """Sixteen different requests at once, beside the UNet's batch curve and the pipeline called in turn."""
    requests = [work.request(number, SAMPLERS[number % len(SAMPLERS)], 2.0 + 0.5 * number) for number in range(CLIENTS)]
    size = (work.width, work.height)
    await ours.together(requests)
    together, turns, curves, decodes = [], [], [], []
    for _ in range(work.rounds):
        before = peer.curve(CURVE, size, 3)
        together.append(await ours.together(requests))
        after = peer.curve(CURVE, size, 3)
        curves.append({rows: (before[rows] + after[rows]) / 2 for rows in CURVE})
        decodes.append(min(peer.decode(count, size, 2) * CLIENTS / count for count in (1, 4, CLIENTS)))
        turns.append(sum(peer.picture(request, folder / "peer.png") for request in requests))
    bounds = [_unet_seconds(requests, curve) for curve in curves]
    shares = [bound / seconds for bound, seconds in zip(bounds, together, strict=True)]
    whole = [(b + d) / s for b, d, s in zip(bounds, decodes, together, strict=True)]
    samples = {"ours": together, "pipeline in turn": turns, "UNet alone": bounds, "decoding": decodes}
    curve = {rows: statistics.median(found[rows] for found in curves) for rows in CURVE}
    speeds = f"{CLIENTS / statistics.median(together):.2f} against {CLIENTS / statistics.median(turns):.2f}"
    drawn = ", ".join(f"{rows}: {1000 * seconds:.0f}" for rows, seconds in curve.items())
    name = f"{CLIENTS} clients, {work.label}"
    return [
        at_least(
            f"{name}: share of the UNet's batch curve",
            statistics.median(shares),
            CURVE_BAR,
            "",
            note=f"{_s(together)} s, the UNet alone {_s(bounds)} s; ms by rows: {drawn}",
            samples=samples,
        ),
        Row(f"{name}: the same with decoding counted", statistics.median(whole), "", note=f"decoding {_s(decodes)} s"),
        at_least(
            f"{name}: pictures a second / pipeline in turn",
            ratio(turns, together),
            TURN_BAR,
            note=f"{speeds}; {chance(together)}",
        ),
    ]


def _unet_seconds(requests: Sequence[dict[str, Any]], curve: dict[int, float]) -> float:
    """Seconds that the UNet alone needs for all rows of these requests at its best batch size."""
    calls = sum(request["steps"] - (request["sampler_name"] == "DDIM") for request in requests)
    return 2 * calls * min(seconds / rows for rows, seconds in curve.items())


def _apart(ours: Path, theirs: Path) -> int:
    with Image.open(ours) as a, Image.open(theirs) as b:
        return int(np.abs(np.asarray(a.convert("RGB"), int) - np.asarray(b.convert("RGB"), int)).max())


def _ms(seconds: Sequence[float]) -> str:
    return f"{1000 * statistics.median(seconds):.0f}"


def _s(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f}"
