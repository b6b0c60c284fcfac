"""Weights kept in fewer bits than they are computed in: each is widened when a layer uses it, and the copy dropped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._pytree import tree_map_only

FP8 = torch.float8_e4m3fn
"""The 8-bit type that is written and kept here."""

_FP8_MOST = torch.finfo(FP8).max
# What is answered of the tensor as it is computed with, without widening it.
_ABOUT = {
    "__get__", "__set__", "__hash__", "__len__", "dim", "element_size", "has_names", "is_complex", "is_contiguous",
    "is_floating_point", "is_inference", "numel", "requires_grad_", "size", "storage_offset", "stride",
}  # fmt: skip


class KeptTensor(Tensor):
    """A tensor that says it is of one type and lies in memory in another.

    Whatever computes with it gets a widened copy that nobody else sees, so several threads may use it at once. (A hook
    that casts a layer's weights to and fro, as diffusers has it, would change them below another thread's feet.)
    """

    kept: Tensor

    @staticmethod
    def __new__(cls, kept: Tensor, dtype: torch.dtype) -> Self:
        """kept: as it lies in memory. dtype: what it is computed in."""
        made: Self = torch.Tensor._make_wrapper_subclass(
            cls, kept.shape, strides=kept.stride(), dtype=dtype, device=kept.device, requires_grad=False
        )
        made.kept = kept
        return made

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") in _ABOUT:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **(kwargs or {}))
        if func is Tensor.detach:
            return cls(args[0].kept, args[0].dtype)
        if func is functional.embedding and len(args) > 1 and isinstance(args[1], cls):
            # A table of tokens may be gigabytes, of which a text needs a few rows.
            return functional.embedding(args[0], args[1].kept, *args[2:], **(kwargs or {})).to(args[1].dtype)
        return func(*_wide(args), **_wide(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own signature leaves the function out
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        # What reaches the kernels without having passed by torch's functions.
        if func is torch.ops.aten.detach.default:
            return cls(args[0].kept, args[0].dtype)
        return func(*_wide(args), **_wide(kwargs or {}))

    def wide(self) -> Tensor:
        """A copy in the type that it is computed in."""
        return self.kept.to(self.dtype)


def keep(network: nn.Module, names: Collection[str], dtype: torch.dtype) -> None:
    """Have those of the tensors with these names that are of another type than `dtype` be computed in `dtype`."""
    for place, module in network.named_modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                known = f"{place}.{name}" if place else name
                if tensor is None or known not in names or not tensor.is_floating_point() or tensor.dtype == dtype:
                    continue
                kept = KeptTensor(tensor.detach(), dtype)
                tensors[name] = nn.Parameter(kept, requires_grad=False) if tensors is module._parameters else kept


def to_type(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in another type; 8-bit numbers stay within their range, beyond which they have no infinity."""
    if dtype == FP8 and tensor.dtype != dtype:
        # Its layout stays to the last stride: by those of a 1 x 1 convolution torch chooses how to compute it.
        return torch.empty_like(tensor, dtype=dtype).copy_(tensor.float().clamp(-_FP8_MOST, _FP8_MOST))
    return tensor.to(dtype)


def type_of(tensor: Tensor, kept: torch.dtype, dtype: torch.dtype) -> torch.dtype:
    """What one tensor of a network that is kept in `kept` and computed in `dtype` lies in memory in.

    Whole numbers stay what they are, and fp8 is for matrices alone: norms and biases are small, and suffer most.
    """
    if not tensor.is_floating_point():
        return tensor.dtype
    return dtype if kept == FP8 and tensor.dim() < 2 else kept


def size_of(tensors: Iterable[Tensor]) -> int:
    """Bytes that they take in memory."""
    held = (tensor.kept if isinstance(tensor, KeptTensor) else tensor for tensor in tensors)
    return sum(tensor.numel() * tensor.element_size() for tensor in held)


def _wide(values: Any) -> Any:
    return tree_map_only(KeptTensor, KeptTensor.wide, values)
