"""Checkpoints that were distilled to few steps, known by words in their names: only defaults of fields. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_UNETS = ("sd1", "sd2", "sdxl")


@dataclass(frozen=True, slots=True)
class Distilled:
    """A way of distilling: what such names say, the families that have such models, the values that suit those."""

    word: str
    families: tuple[str, ...]
    defaults: Mapping[str, Any]

    def is_said_in(self, name: str) -> bool:
        """Whether the word stands in the name by itself: 'hyper' is in 'XL-Hyper' and in 'XLHyperVAE', and not in
        'hyperrealistic'."""
        word, title = self.word, self.word.title()
        pattern = rf"(?:(?<![A-Za-z]){word}|{title}|{word.upper()})(?![a-z])"
        return re.search(pattern, name) is not None


DISTILLED = (
    # What the makers of the first such models give: Euler over evenly spread steps, without guidance.
    Distilled("lightning", _UNETS, {"steps": 4, "cfg_scale": 1.0, "sampler_name": "Euler", "scheduler": "SGM Uniform"}),
    Distilled("turbo", _UNETS, {"steps": 4, "cfg_scale": 1.0, "sampler_name": "Euler a", "scheduler": "SGM Uniform"}),
    Distilled("hyper", _UNETS, {"steps": 8, "cfg_scale": 1.0, "sampler_name": "DDIM", "scheduler": "SGM Uniform"}),
    Distilled("lcm", _UNETS, {"steps": 8, "cfg_scale": 1.5, "sampler_name": "Euler a", "scheduler": "SGM Uniform"}),
    Distilled("hyper", ("flux",), {"steps": 8}),
    Distilled("turbo", ("flux",), {"steps": 8}),
)
"""In order; the first whose word stands in a checkpoint's name counts."""

# '4step', '8_steps': what such names say of the steps that the model was made for.
_STEPS = re.compile(r"(?<!\d)([1-9]|1\d|20)[ _-]?steps?(?![a-z])", re.IGNORECASE)


def distilled_defaults(family: str, name: str) -> dict[str, Any]:
    """Defaults of fields for a checkpoint of this family with this name; none where it is no such model."""
    found = next((row for row in DISTILLED if family in row.families and row.is_said_in(name)), None)
    if found is None:
        return {}
    steps = _STEPS.search(name)
    return {**found.defaults, **({"steps": int(steps[1])} if steps else {})}
