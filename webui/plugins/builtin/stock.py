"""The classes of diffusers whose models run through their own pipeline, as rows: what each takes, and what it lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from webui.core.registry import Family, Variant

DATA = Path(__file__).with_name("stock.json")
"""Made by tools/stock_classes.py from the installed diffusers."""

FAMILY = "stock"
SAMPLER = "Automatic"
"""The one sampler of the family: whatever scheduler the model brings."""


@dataclass(frozen=True, slots=True)
class StockClass:
    """A pipeline class by which a model's folder names itself, and how that model is run.

    problem: "control", "picture", "prior", "video" or "audio", when its models cannot make a picture from a text alone.
    runs: the class that does. modular: whether that is a modular pipeline. steps, cfg, size: defaults of a request.
    steps_as: the parameter for the steps. more_steps: those of the stage that the person does not set.
    scale_as: the parameter for the CFG scale, "guider" where a component has it, "" where there is none; `off` is the
    value that switches guidance off. embedded_as: the parameter for guidance that the network is told.
    adapted: whether a family reads its models' parts and runs them in the loop, which then counts more.
    negative: whether there is a negative prompt. multiple: of which the sides must be, in pixels.
    parts, blocks: of a modular pipeline, what its text-to-image form loads, and the name of the blocks it is made of.
    """

    runs: str = ""
    problem: str = ""
    modular: bool = False
    steps: int = 20
    steps_as: str = "num_inference_steps"
    more_steps: int = 0
    scale_as: str = ""
    off: float = 1.0
    cfg: float = 1.0
    negative: bool = False
    embedded_as: str = ""
    embedded: float = 0.0
    size: int = 1024
    multiple: int = 16
    adapted: bool = False
    parts: tuple[str, ...] = ()
    blocks: str = ""

    @property
    def title(self) -> str:
        """What the model is called in lists."""
        return title_of(self.runs)

    @property
    def abilities(self) -> tuple[str, ...]:
        """See `Family.abilities`."""
        scale = (("cfg",) if self.negative else ("cfg_scale",)) if self.scale_as else ()
        return (*scale, "distilled_cfg") if self.embedded_as else scale


def title_of(name: str) -> str:
    """A pipeline class's name without the words that all of them have."""
    return name.removesuffix("Pipeline").removesuffix("Modular")


@cache
def stock_classes() -> Mapping[str, StockClass]:
    """Every class that is known, by its name."""
    rows = json.loads(DATA.read_text(encoding="utf-8"))["classes"]
    return {name: StockClass(**{**row, "parts": tuple(row.get("parts", ()))}) for name, row in rows.items()}


def stock_family() -> Family:
    """The family of all models without an adapter; its variants are the classes that run them."""
    rows = {row.runs: row for row in stock_classes().values() if row.runs}
    variants = (
        Variant(
            row.runs,
            {},
            {"steps": row.steps, "cfg_scale": row.cfg, "width": row.size, "height": row.size}
            | ({"distilled_cfg_scale": row.embedded} if row.embedded_as else {}),
            row.abilities,
            size_multiple=row.multiple,
        )
        for row in rows.values()
    )
    return Family(
        FAMILY,
        "Stock pipeline",
        "webui.engine.families.stock:load",
        needs=(),
        count_tokens="webui.engine.checkpoints.stock_tokens:count_tokens",
        native_size=1024,
        sizes=((1024, 1024), (832, 1216), (1216, 832)),
        size_multiple=16,
        samplers=(SAMPLER,),
        variants=tuple(variants),
    )
