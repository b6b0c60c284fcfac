"""The vectors of an embedding: read from a file of weights in any of its spellings, checked, and what they are for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from webui.core.errors import ModelProblem
from webui.engine.adapters.spelling import bundled
from webui.engine.checkpoints.headers.base import AGAIN, Header, TensorInfo, damaged, unreadable
from webui.engine.checkpoints.headers.read import read_header
from webui.engine.checkpoints.tokens import CHUNK

Array = NDArray[np.float32]

CLIP_L, CLIP_G = "clip_l", "clip_g"
ONE = ""
"""The name of the vectors of a file for one encoder, which says no name."""

MOST_VECTORS = CHUNK
"""An embedding is never split over chunks, so it has no more than a chunk has places."""
_MOST_WIDTH = 16_384
_SHOWN = 3
_TITLES = {
    ((ONE, 768),): "Stable Diffusion 1",
    ((ONE, 1024),): "Stable Diffusion 2",
    ((CLIP_G, 1280), (CLIP_L, 768)): "Stable Diffusion XL",
}
# bfloat16 is the upper half of a float32.
_NUMBERS: Mapping[str, str] = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True, slots=True)
class Vectors:
    """What an embedding holds: (vectors, width) float32 by the text encoder's name, `ONE` where there is one alone."""

    parts: Mapping[str, Array]

    @property
    def size(self) -> int:
        """How many vectors it has for each encoder, which is how many places it takes."""
        return len(next(iter(self.parts.values())))

    @property
    def widths(self) -> dict[str, int]:
        """How wide the vectors of each encoder are."""
        return {name: int(part.shape[1]) for name, part in self.parts.items()}


def title_of(widths: Mapping[str, int]) -> str:
    """The models that vectors of these widths are for, in words."""
    known = _TITLES.get(tuple(sorted(widths.items())))
    shown = " and ".join(f"{width:,}" for width in widths.values())
    return known or f"text encoders of width {shown}"


def chosen(widths: Mapping[str, int], encoders: Sequence[tuple[str, int]]) -> tuple[str, ...] | None:
    """Which of an embedding's vectors a model's text encoders take, in order; None where it is for another model.

    encoders: what files for several call the vectors of each, `ONE` for one alone, and how wide its own are.
    """
    if not encoders:
        return None
    if len(encoders) == 1 and set(widths) == {ONE}:
        return (ONE,) if widths[ONE] == encoders[0][1] else None
    return tuple(name for name, _ in encoders) if all(widths.get(name) == width for name, width in encoders) else None


def read_vectors(path: Path) -> Vectors:
    """The vectors in a file of weights, as any program writes them. Raises ModelProblem.

    A1111 keeps one tensor in `string_to_param`, other programs one under the word itself or `emb_params`; those for
    Stable Diffusion XL are `clip_l` and `clip_g`.
    """
    header = read_header(path)
    if {CLIP_L, CLIP_G} <= header.tensors.keys():
        found = {name: header.tensors[name] for name in (CLIP_L, CLIP_G)}
    elif len(header.tensors) == 1:
        found = {ONE: next(iter(header.tensors.values()))}
    else:
        shown = ", ".join(list(header.tensors)[:_SHOWN])[:200] or "nothing"
        raise ModelProblem(f"{path.name} is no embedding: it holds {shown}.", field="prompt")
    return _read(path, path.name, found)


def read_bundled(path: Path, header: Header | None = None) -> dict[str, Vectors]:
    """The embeddings that lie in the file of a LoRA, by name. Raises ModelProblem."""
    parts: dict[str, dict[str, TensorInfo]] = {}
    for full, info in (header or read_header(path)).tensors.items():
        place = bundled(full)
        if place is not None:
            parts.setdefault(place[0], {})[place[1]] = info
    found = {}
    for name, own in parts.items():
        named = {key: info for key, info in own.items() if key in (CLIP_L, CLIP_G)}
        single = {ONE: next(iter(own.values()))}
        found[name] = _read(path, f"The embedding {name[:60]} in {path.name}", named if len(named) == 2 else single)
    return found


def checked(what: str, parts: Mapping[str, Array]) -> Vectors:
    """Vectors out of arrays of any number of axes. what: what a sentence calls them. Raises ModelProblem."""
    rows = {name: part[None] if part.ndim == 1 else part for name, part in parts.items()}
    for part in rows.values():
        _check_shape(what, part.shape)
        if not np.isfinite(part).all():
            raise _wrong(what, "holds values that are no numbers (NaN or infinity)", damage=True)
    if len({len(part) for part in rows.values()}) > 1:
        raise _wrong(what, "has unequally many vectors for its text encoders", damage=True)
    return Vectors(rows)


def _read(path: Path, what: str, tensors: Mapping[str, TensorInfo]) -> Vectors:
    for info in tensors.values():
        _check_shape(what, (1, *info.shape) if len(info.shape) == 1 else info.shape)
        if info.dtype not in _NUMBERS:
            raise _wrong(what, f"holds numbers of the type {info.dtype}, which no embedding is read in")
    try:
        with path.open("rb") as file:
            return checked(what, {name: _array(path, file, info) for name, info in tensors.items()})
    except OSError as error:
        raise unreadable(path, error) from error


def _array(path: Path, file: IO[bytes], info: TensorInfo) -> Array:
    kind: np.dtype[Any] = np.dtype(_NUMBERS[info.dtype])
    extent = math.prod(info.shape)
    if info.stride:
        extent = 1 + sum((side - 1) * step for side, step in zip(info.shape, info.stride, strict=True))
    file.seek(info.start)
    data = file.read(extent * kind.itemsize)
    if len(data) < extent * kind.itemsize:
        raise damaged(path, "its vectors are not complete")
    flat = np.frombuffer(data, kind)
    steps = [step * kind.itemsize for step in info.stride]
    plain = as_strided(flat, info.shape, steps) if info.stride else flat.reshape(info.shape)
    if info.dtype == "BF16":
        return (plain.astype(np.uint32) << 16).view(np.float32)
    # What is too large for float32 is told as infinity.
    with np.errstate(over="ignore"):
        return plain.astype(np.float32)


def _check_shape(what: str, shape: Sequence[int]) -> None:
    if len(shape) != 2 or not all(shape) or shape[1] > _MOST_WIDTH:
        raise _wrong(what, f"is no embedding: it holds a tensor of {' x '.join(map(str, shape)) or 'one number'}")
    if shape[0] > MOST_VECTORS:
        raise _wrong(what, f"has {shape[0]:,} vectors, and a chunk of a prompt has {MOST_VECTORS} places")


def _wrong(what: str, how: str, *, damage: bool = False) -> ModelProblem:
    return ModelProblem(f"{what} {how}.", field="prompt", remedies=AGAIN if damage else ())
