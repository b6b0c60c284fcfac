"""The networks that lie in a file or in a diffusers folder: which they are, where, and in which form. Torch-free."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.core.errors import ModelProblem
from webui.core.registry import Architecture
from webui.engine.checkpoints.architectures.base import Form, Names, Recognise
from webui.engine.checkpoints.headers.read import read_header
from webui.engine.checkpoints.json_files import read_json
from webui.engine.checkpoints.quantised import refuse_quantised
from webui.plugins.resolve import resolve

# The names of a part's weights in a diffusers folder, the best first; each may be split into several files.
_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
_VARIANTS = ("", ".fp16", ".bf16")
_SUFFIXES = (".safetensors", ".bin")

_PRECISIONS = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "F64": "fp64"} | {
    "F8_E4M3": "fp8 e4m3fn",
    "F8_E5M2": "fp8 e5m2",
}
_FEW_BITS = re.compile(r"(I?Q|TQ|MXFP|NVFP)\d")
"""What GGUF calls its kinds of quantisation."""


@dataclass(frozen=True, slots=True)
class Part:
    """One network in one or more files. `precision` is what most of its numbers are kept in ("fp16"); of quantised ones
    the kind that most of those have ("Q4_K").

    prefix: what its tensors' names begin with in the files. size_bytes: of its weights there. kept_as: the precision
    that a request wants its weights kept in ("fp8"); "" leaves it to the device and the flags.
    """

    architecture: str
    role: str
    files: tuple[Path, ...]
    form: Form
    prefix: str = ""
    precision: str = ""
    parameters: int = 0
    size_bytes: int = 0
    kept_as: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """All networks in a file or folder; in a folder `named` has them by their own folders' names.

    broken: why a network's folder cannot be used, by its name. odd: a few names of tensors, of a file with no network.
    """

    parts: tuple[Part, ...] = ()
    named: Mapping[str, Part] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    odd: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def look_inside(path: Path, architectures: Iterable[Architecture]) -> Inside:
    """The networks in one file of weights. Raises ModelProblem when it is damaged."""
    header = read_header(path)
    refuse_quantised(header.tensors, "It")
    whole = Names(header.tensors)
    found = []
    for row in architectures:
        for place in dict.fromkeys(("", *row.places)):
            if place and not whole.has(place):
                continue
            names = Names(whole, place) if place else whole
            form = _recognise(row, names, None)
            if form is not None:
                found.append(_part(row, (path,), form, place, names))
    return Inside(tuple(found), odd=() if found else tuple(whole.ordered[:3]), metadata=header.metadata)


def look_into_folder(path: Path, architectures: Iterable[Architecture]) -> Inside:
    """The networks in a folder of diffusers' form; one that cannot be used is told in `broken`."""
    rows = list(architectures)
    named, broken = {}, {}
    for folder in sorted(path.iterdir()):
        if not (folder / "config.json").is_file():
            continue
        try:
            part = _network(folder, rows)
        except ModelProblem as error:
            broken[folder.name] = error.detail
        else:
            if part is not None:
                named[folder.name] = part
    return Inside(tuple(named.values()), named, broken)


def look_at_network(folder: Path, architectures: Iterable[Architecture]) -> Inside:
    """The one network whose configuration and weights lie in this folder. Raises ModelProblem when it is damaged."""
    part = _network(folder, architectures)
    return Inside((part,) if part else ())


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files of one network's weights in its folder. Raises ModelProblem: there are none, or one is missing."""
    for suffix in _SUFFIXES:
        for variant in _VARIANTS:
            for stem in _STEMS:
                whole = folder / f"{stem}{variant}{suffix}"
                if whole.is_file():
                    return (whole,)
                split = folder / f"{stem}{suffix}.index{variant}.json"
                if split.is_file():
                    return _split(folder, split)
    raise ModelProblem(
        f"The part {folder.name} has no weights; {folder.name}/{_STEMS[0]}.safetensors or "
        f"{folder.name}/{_STEMS[1]}.safetensors is missing.",
        field="checkpoint",
    )


def _split(folder: Path, index: Path) -> tuple[Path, ...]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ModelProblem(f"{folder.name}/{index.name} is no table of weights.", field="checkpoint")
    files = tuple(folder / name for name in sorted(set(names.values())))
    for file in files:
        # The table names files beside itself, and none elsewhere.
        if file.parent != folder or not file.is_file():
            raise ModelProblem(f"The part {folder.name} is not complete: {file.name[:80]} is missing.")
    return files


def _network(folder: Path, rows: Iterable[Architecture]) -> Part | None:
    config = read_json(folder / "config.json")
    kinds = {str(config.get("_class_name", "")), *map(str, config.get("architectures") or ())}
    row = next((row for row in rows if kinds & set(row.classes)), None)
    if row is None:
        return None
    files = weight_files(folder)
    names = Names({name: info for file in files for name, info in read_header(file).tensors.items()})
    refuse_quantised(names, f"The part {folder.name}")
    form = _recognise(row, names, config)
    if form is None:
        raise ModelProblem(f"The part {folder.name} holds the weights of something else.", field="checkpoint")
    return _part(row, files, form, "", names)


def _recognise(row: Architecture, names: Names, config: Mapping[str, Any] | None) -> Form | None:
    recognise: Recognise = resolve(row.recognise)
    return recognise(names, config)


def _part(row: Architecture, files: tuple[Path, ...], form: Form, prefix: str, names: Names) -> Part:
    numbers: Counter[str] = Counter()
    for info in names.values():
        numbers[info.dtype] += math.prod(info.shape)
    # What a GGUF file cannot quantise, as convolutions, is often the larger part, and says nothing of the file.
    few_bits = [dtype for dtype in numbers if _FEW_BITS.match(dtype)]
    most = max(few_bits or numbers, key=numbers.__getitem__, default="")
    size = sum(info.size_bytes for info in names.values())
    return Part(row.name, row.role, files, form, prefix, _PRECISIONS.get(most, most), sum(numbers.values()), size)
