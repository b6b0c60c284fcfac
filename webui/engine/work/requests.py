"""What is asked for of a work on models, as values that can be kept as JSON. Torch-free."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from webui.core.errors import InvalidField
from webui.engine.checkpoints.checkpoint import Checkpoint

PRECISIONS: Final = ("fp32", "fp16", "bf16", "fp8")
"""What weights may be kept in; fp8 is e4m3fn without scales, for matrices and convolutions only."""

WEIGHTED_SUM: Final = "Weighted sum"
ADD_DIFFERENCE: Final = "Add difference"
NO_INTERPOLATION: Final = "No interpolation"
METHODS: Final = (WEIGHTED_SUM, ADD_DIFFERENCE, NO_INTERPOLATION)
"""A1111's names."""

NONE: Final = "none"
FORMATS: Final = ("safetensors", "ckpt")
DIFFUSERS: Final = "diffusers"
ROLES: Final = ("denoiser", "vae", "text_encoder")


@dataclass(frozen=True, slots=True)
class Merge:
    """One new checkpoint of up to three; the names are A1111's where it has one.

    interp_method: one of METHODS. multiplier: M, from 0 to 1. precision: of PRECISIONS but fp8, "" keeps A's.
    discard_weights: a regular expression; tensors whose names it is found in are left out. metadata_from: whose
    metadata the result carries on: "A", "B", "C" or "none". add_merge_recipe: write A1111's recipe. custom_name: as
    it is written into the recipe, "" where the name was made.
    """

    interp_method: str = WEIGHTED_SUM
    multiplier: float = 0.3
    precision: str = ""
    format: str = "safetensors"
    discard_weights: str = ""
    metadata_from: str = "A"
    add_merge_recipe: bool = True
    custom_name: str = ""
    overwrite: bool = False

    def check(self) -> None:
        """Raises InvalidField."""
        _one_of("interp_method", self.interp_method, METHODS)
        _one_of("precision", self.precision, ("", *PRECISIONS[:-1]))
        _one_of("format", self.format, FORMATS)
        _one_of("metadata_from", self.metadata_from, ("A", "B", "C", NONE))
        if not (math.isfinite(self.multiplier) and 0 <= self.multiplier <= 1):
            raise InvalidField(f"The multiplier is from 0 to 1, not {self.multiplier:g}.", field="multiplier")
        try:
            re.compile(self.discard_weights)
        except (re.error, RecursionError, OverflowError) as error:
            raise InvalidField(
                f"'{self.discard_weights[:60]}' is no regular expression: {error}.", field="discard_weights"
            ) from error


@dataclass(frozen=True, slots=True)
class MergeFiles:
    """What is merged: A, and where the method takes them B and C; a VAE to bake in; where the result goes."""

    a: Checkpoint
    target: Path
    b: Checkpoint | None = None
    c: Checkpoint | None = None
    vae: Path | None = None


@dataclass(frozen=True, slots=True)
class Convert:
    """The same model in another form.

    form: "safetensors", "ckpt" or "diffusers" (a folder). precision: by role ("denoiser", "vae", "text_encoder"); what
    is not named keeps its own.
    """

    form: str = "safetensors"
    precision: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False

    def check(self) -> None:
        """Raises InvalidField."""
        _one_of("form", self.form, (*FORMATS, DIFFUSERS))
        for role, precision in self.precision.items():
            _one_of("precision", role, ROLES)
            _one_of("precision", precision, PRECISIONS)


@dataclass(frozen=True, slots=True)
class Prune:
    """A file without what no part of its family reads. keep_ema: with the averaged weights in place of the others."""

    keep_ema: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class WorkFiles:
    """The checkpoint that is worked on, and where the result goes."""

    source: Checkpoint
    target: Path


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        shown = ", ".join(f"'{one}'" for one in known if one)
        raise InvalidField(f"{name} is one of {shown}, not '{value[:40]}'.", field=name)
