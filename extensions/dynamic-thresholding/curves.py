"""How a scale changes over the steps, from the share of them that is done."""

from __future__ import annotations

import math

CURVES = (
    "Constant",
    "Linear Down",
    "Cosine Down",
    "Half Cosine Down",
    "Linear Up",
    "Cosine Up",
    "Half Cosine Up",
    "Power Up",
    "Power Down",
    "Linear Repeating",
    "Cosine Repeating",
    "Sawtooth",
)


def scale_at(curve: str, step: int, steps: int, highest: float, lowest: float, value: float) -> float:
    """The scale in a step (from 0, of `steps`), between `lowest` and `highest`; value: see the field sched_val."""
    if curve == "Constant":
        return highest
    done = step / max(steps - 1, 1)
    return lowest + (highest - lowest) * _height(curve, done, value)


def _height(curve: str, done: float, value: float) -> float:
    quarter = done * math.pi / 2
    again = (done * value) % 1.0
    return {
        "Linear Down": 1.0 - done,
        "Cosine Down": math.cos(quarter),
        "Half Cosine Down": math.cos(done),
        "Linear Up": done,
        "Cosine Up": 1.0 - math.cos(quarter),
        "Half Cosine Up": 1.0 - math.cos(done),
        "Power Up": done**value,
        "Power Down": 1.0 - done**value,
        "Linear Repeating": abs(0.5 - again) * 2.0,
        "Cosine Repeating": math.cos(done * math.pi * 2 * value) * 0.5 + 0.5,
        "Sawtooth": again,
    }[curve]
