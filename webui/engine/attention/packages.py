"""Attention by packages that may be installed beside torch: xFormers, FlashAttention, SageAttention."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import Tensor

from webui.engine.attention.base import Attend, Place, aligned_bias


def xformers(_: Place) -> Attend:
    """xFormers' memory_efficient_attention, with the kernel that it picks."""
    compute = _imported("xformers.ops").memory_efficient_attention

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        bias = None if mask is None else aligned_bias(mask, query, key)
        return compute(*_tokens_first(query, key, value), attn_bias=bias, scale=scale).transpose(1, 2)

    return attend


def flash(_: Place) -> Attend:
    """The package flash-attn, second generation."""
    compute = _imported("flash_attn").flash_attn_func

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        _refuse(mask)
        return compute(*_tokens_first(query, key, value), softmax_scale=scale).transpose(1, 2)

    return attend


def sage(_: Place) -> Attend:
    """SageAttention, whose scores are products of 8-bit numbers: faster, and not the same within rounding."""
    compute = _imported("sageattention").sageattn

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        _refuse(mask)
        return compute(query, key, value, tensor_layout="HND", is_causal=False, sm_scale=scale)

    return attend


def _imported(name: str) -> Any:
    """A module that may be missing or broken, so it is imported only where somebody asks for it."""
    return import_module(name)


def _tokens_first(*tensors: Tensor) -> list[Tensor]:
    """(batch, tokens, heads, width), as these packages have it."""
    return [tensor.transpose(1, 2) for tensor in tensors]


def _refuse(mask: Tensor | None) -> None:
    if mask is not None:
        raise NotImplementedError("It knows no masks.")
