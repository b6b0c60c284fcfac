"""Say what a checkpoint is from its content, and whether it can be read: each family's recogniser is asked in turn."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webui.core.errors import ModelProblem
from webui.core.registry import Family
from webui.engine.checkpoints.headers.base import TensorInfo
from webui.engine.checkpoints.headers.safetensors import read as read_header
from webui.plugins.resolve import resolve

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identified:
    """What was found. `problem` is a sentence when the checkpoint cannot be used.

    variant: the middle part of the weight files' names ("fp16"), when the folder has no plain ones.
    family: the row's name, which `identify` fills in, or "" when the checkpoint cannot be used.
    """

    weights: tuple[Path, ...] = ()
    variant: str | None = None
    problem: str | None = None
    family: str = ""


class ModelFiles:
    """What a recogniser sees of a checkpoint: configurations, names and shapes of tensors; no weights, no torch."""

    def __init__(self, path: Path) -> None:
        """path: a folder with the parts of a model, or one safetensors file."""
        self.path = path

    def json(self, name: str) -> dict[str, Any]:
        """The JSON object in the folder's file of this name ("unet/config.json"). Raises ModelProblem."""
        return read_json(self.path / name)

    def tensors(self, path: Path | None = None) -> Mapping[str, TensorInfo]:
        """Names and shapes in a safetensors file (the checkpoint itself if it is one). Raises ModelProblem."""
        return read_header(path or self.path).tensors


Recogniser = Callable[[ModelFiles], Identified | None]
"""What a family row's `identify` names: None for what is not of the family. Raises ModelProblem when it is damaged."""


def identify(path: Path, families: Iterable[Family]) -> Identified:
    """What this folder or single file is: the first family that can use it, else the first problem that one found."""
    if path.is_file() and path.suffix != ".safetensors":
        return Identified(
            problem=f"{path.name} is a pickle, which can run code of strangers when it is read. "
            "Only safetensors are taken.",
        )
    files = ModelFiles(path)
    problem: Identified | None = None
    for family in families:
        found = _ask(family, files)
        if found is not None and found.problem is None:
            return replace(found, family=family.name)
        problem = problem or found
    return problem or _unknown(files)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint. Raises ModelProblem with a sentence."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        where = f"{path.parent.name}/{path.name}"
        raise ModelProblem(f"{where} is missing or cannot be read.", field="checkpoint") from error
    except (ValueError, RecursionError) as error:
        raise ModelProblem(f"{path.parent.name}/{path.name} is no JSON.", field="checkpoint") from error
    if not isinstance(data, dict):
        raise ModelProblem(f"{path.parent.name}/{path.name} is no JSON object.", field="checkpoint")
    return data


def _ask(family: Family, files: ModelFiles) -> Identified | None:
    recognise: Recogniser = resolve(family.identify)
    try:
        return recognise(files)
    except ModelProblem as error:
        return Identified(problem=error.detail)
    except Exception as error:
        # An extension's mistake: it takes no other family's models away.
        log.warning("The family '%s' failed to look at %s.", family.name, files.path, exc_info=True)
        return Identified(problem=f"The family '{family.title}' failed to look at it: {type(error).__name__}: {error}")


def _unknown(files: ModelFiles) -> Identified:
    try:
        if files.path.is_dir():
            kind = str(files.json("model_index.json").get("_class_name", "unknown"))[:60]
            return Identified(problem=f"It is a model of the kind {kind}, which cannot be read yet.")
        files.tensors()
    except ModelProblem as error:
        return Identified(problem=error.detail)
    return Identified(
        (files.path,), problem="Single files cannot be read yet; a diffusers folder of the same model can."
    )
