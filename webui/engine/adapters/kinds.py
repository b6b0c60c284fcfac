"""The kinds of adapters: of each its formula, by which a module's tensors become what is added to its weight.

All compute in float32. Shapes: a weight is (out, in) or, of a convolution, (out, in, height, width); r is the rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from webui.engine.adapters.spelling import ALPHA, DOWN, MAGNITUDE, MID, UP

Tensors = Mapping[str, Tensor]
"""One module's tensors by the part of the formula that each is."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind. sign: parts of which every module of it has one. parts: those without which it is not whole.

    delta: (tensors, shape of the weight, how many ranks count or None for all) -> what is added to the weight at a
    multiplier of 1, None for nothing. extent: how many numbers that has, 0 for nothing. bias: the part that is added to
    the bias.
    """

    name: str
    sign: tuple[str, ...]
    parts: frozenset[str]
    delta: Callable[[Tensors, tuple[int, ...], int | None], Tensor | None]
    extent: Callable[[Tensors], int]
    bias: str = "diff_b"


def kind_of(parts: Mapping[str, object]) -> Kind | None:
    """The kind of a module with these parts."""
    return next((kind for kind in KINDS if any(sign in parts for sign in kind.sign)), None)


def merged_delta(kind: Kind, tensors: Tensors, weight: Tensor, ranks: int | None = None) -> Tensor | None:
    """What is added to `weight`, in float32 on its device, at a multiplier of 1; None for nothing.

    Raises RuntimeError, KeyError or ValueError where the tensors do not fit each other or the weight.
    """
    delta = kind.delta(tensors, tuple(weight.shape), ranks)
    if delta is None or MAGNITUDE not in tensors:
        return delta
    return _decomposed(weight.float(), delta, tensors[MAGNITUDE].float())


def is_product(kind: Kind, tensors: Mapping[str, object]) -> bool:
    """Whether what is added is the product of two matrices."""
    return kind.name == "LoRA" and MID not in tensors and MAGNITUDE not in tensors


def factors(kind: Kind, tensors: Tensors, ranks: int | None = None) -> tuple[Tensor, Tensor] | None:
    """Two matrices in float32, (out, r) and (r, in and what is behind it), whose product is what is added.

    None where it is none of two. Several such sums are one product of the matrices side by side, in one pass over the
    weight.
    """
    if not is_product(kind, tensors):
        return None
    down = tensors[DOWN]
    up = tensors[UP].float().flatten(1)[:, :ranks] * _scale(tensors, down.shape[0])
    return up, down.float().flatten(1)[:ranks]


def _decomposed(weight: Tensor, delta: Tensor, magnitude: Tensor) -> Tensor:
    """DoRA (arXiv 2402.09353, equation 5): m * (W + dW) / |W + dW|, less W.

    The norms are of what each output is made of, as PEFT has it, or with a magnitude of the shape (1, in, ...) of what
    is made of each input, as in LyCORIS' first version. With a multiplier A1111 takes this much of the difference.
    """
    whole = weight + delta
    by_input = magnitude.dim() > 1 and magnitude.shape[0] == 1 and magnitude.shape[1] == whole.shape[1]
    if magnitude.numel() != whole.shape[1 if by_input else 0]:
        raise ValueError(f"a magnitude of {magnitude.numel()} numbers")
    rows = whole.transpose(0, 1) if by_input else whole
    norm = torch.linalg.vector_norm(rows.flatten(1), dim=1).clamp_min(torch.finfo(torch.float32).eps)
    shape = [1] * whole.dim()
    shape[1 if by_input else 0] = -1
    return whole * (magnitude.flatten() / norm).view(shape) - weight


def _scale(tensors: Tensors, rank: int | None) -> float:
    """alpha / r (arXiv 2106.09685, section 4.1); 1 where the file has no alpha, as kohya's has it."""
    if ALPHA not in tensors or not rank:
        return 1.0
    return float(tensors[ALPHA]) / rank


def _lora(tensors: Tensors, shape: tuple[int, ...], ranks: int | None) -> Tensor:
    """LoRA: up @ down * alpha / r (arXiv 2106.09685). Of convolutions LoCon, also with a core (see `_with_core`)."""
    up, down = tensors[UP].float(), tensors[DOWN].float()
    scale = _scale(tensors, down.shape[0])
    if MID in tensors:
        delta = _with_core(tensors[MID].float(), up.flatten(1).t(), down.flatten(1))
    else:
        up, down = up.flatten(1)[:, :ranks], down.flatten(1)[:ranks]
        delta = up @ down
    return _shaped(delta, shape).mul_(scale)


def _loha(tensors: Tensors, shape: tuple[int, ...], ranks: int | None) -> Tensor:
    """LoHa: (w1_a @ w1_b) * (w2_a @ w2_b) * alpha / r, the product by elements (arXiv 2108.06098, proposition 1)."""
    halves = []
    for half in ("1", "2"):
        left, right = tensors[f"hada_w{half}_a"].float(), tensors[f"hada_w{half}_b"].float()
        core = tensors.get(f"hada_t{half}")
        halves.append(left @ right if core is None else _with_core(core.float(), left, right))
    return _shaped(halves[0] * halves[1], shape).mul_(_scale(tensors, tensors["hada_w1_b"].shape[0]))


def _lokr(tensors: Tensors, shape: tuple[int, ...], ranks: int | None) -> Tensor:
    """LoKr: the Kronecker product of w1 and w2, either of them whole or of low rank (arXiv 2309.14859, section 3.2)."""
    rank: int | None = None
    if "lokr_w1" in tensors:
        left = tensors["lokr_w1"].float()
    else:
        left = tensors["lokr_w1_a"].float() @ tensors["lokr_w1_b"].float()
        rank = tensors["lokr_w1_b"].shape[0]
    if "lokr_w2" in tensors:
        right = tensors["lokr_w2"].float()
    else:
        first, second = tensors["lokr_w2_a"].float(), tensors["lokr_w2_b"].float()
        core = tensors.get("lokr_t2")
        right = first @ second.flatten(1) if core is None else _with_core(core.float(), first, second)
        rank = rank or second.shape[0]
    left = left.view(*left.shape, *[1] * (right.dim() - left.dim()))
    # Of a convolution's matrix the last axis is (in, height, width), so that its parts lie together either way.
    return _shaped(torch.kron(left, right.contiguous()), shape).mul_(_scale(tensors, rank))


def _full(tensors: Tensors, shape: tuple[int, ...], ranks: int | None) -> Tensor | None:
    """The whole difference of two weights."""
    return _shaped(tensors["diff"].float().clone(), shape) if "diff" in tensors else None


def _norm(tensors: Tensors, shape: tuple[int, ...], ranks: int | None) -> Tensor | None:
    """The whole difference of two norms' weights."""
    return _shaped(tensors["w_norm"].float().clone(), shape) if "w_norm" in tensors else None


def _with_core(core: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """(out, in, height, width) of Tucker's form: a core (r, r, height, width), and a matrix for out and in.

    left (r, out), right (r, in); FedPara's proposition 3, arXiv 2108.06098.
    """
    return torch.einsum("i j k l, i p, j q -> p q k l", core, left, right)


def _shaped(delta: Tensor, shape: tuple[int, ...]) -> Tensor:
    if delta.numel() != math.prod(shape) or delta.shape[0] != shape[0]:
        raise ValueError(f"{tuple(delta.shape)} in place of {shape}")
    return delta.reshape(shape)


def _lora_extent(tensors: Tensors) -> int:
    up, down = tensors[UP], tensors[DOWN]
    if MID in tensors:
        return up.shape[0] * down.shape[1] * math.prod(tensors[MID].shape[2:])
    return up.shape[0] * math.prod(down.shape[1:])


def _loha_extent(tensors: Tensors) -> int:
    left, right, core = tensors["hada_w1_a"], tensors["hada_w1_b"], tensors.get("hada_t1")
    return left.shape[0] * right.shape[1] if core is None else _core_extent(core, left, right)


def _lokr_extent(tensors: Tensors) -> int:
    left, right = tensors.get("lokr_w1"), tensors.get("lokr_w2")
    first, second, core = tensors.get("lokr_w2_a"), tensors.get("lokr_w2_b"), tensors.get("lokr_t2")
    size = left.numel() if left is not None else tensors["lokr_w1_a"].shape[0] * tensors["lokr_w1_b"].shape[1]
    if right is not None:
        return size * right.numel()
    assert first is not None and second is not None
    whole = first.shape[0] * math.prod(second.shape[1:]) if core is None else _core_extent(core, first, second)
    return size * whole


def _core_extent(core: Tensor, left: Tensor, right: Tensor) -> int:
    return left.shape[1] * right.shape[1] * math.prod(core.shape[2:])


def _diff_extent(tensors: Tensors) -> int:
    return tensors["diff"].numel() if "diff" in tensors else 0


def _norm_extent(tensors: Tensors) -> int:
    return tensors["w_norm"].numel() if "w_norm" in tensors else 0


_HADA = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")

KINDS: tuple[Kind, ...] = (
    Kind("LoHa", _HADA[:1], frozenset(_HADA), _loha, _loha_extent),
    Kind("LoKr", ("lokr_w1", "lokr_w1_a", "lokr_w2", "lokr_w2_a"), frozenset(), _lokr, _lokr_extent),
    Kind("LoRA", (UP, DOWN), frozenset((UP, DOWN)), _lora, _lora_extent),
    Kind("norm", ("w_norm", "b_norm"), frozenset(), _norm, _norm_extent, bias="b_norm"),
    Kind("full", ("diff", "diff_b"), frozenset(), _full, _diff_extent),
)
"""All kinds, in the order in which a module is looked at."""


def lacking_parts(kind: Kind, parts: Mapping[str, object]) -> list[str]:
    """The parts of the formula that a module of this kind lacks, by name."""
    found = set(kind.parts) - parts.keys()
    if kind.name == "LoKr":
        for number in ("1", "2"):
            pair = {f"lokr_w{number}_a", f"lokr_w{number}_b"}
            found |= pair - parts.keys() if f"lokr_w{number}" not in parts else set()
    if "hada_t1" in parts or "hada_t2" in parts:
        found |= {"hada_t1", "hada_t2"} - parts.keys()
    return sorted(found)
