"""torch's kernels of scaled dot product attention, each by itself.

They are called as operators and not through torch.nn.attention.sdpa_kernel, whose switches hold for the whole process:
a VAE that decodes on another thread at that moment would be refused or get another kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor

from webui.engine.attention.base import Attend, Place, additive, aligned_bias, sdpa
from webui.engine.attention.slices import LARGEST_SCORES, in_slices

_OPERATORS = torch.ops.aten
_HALF = (torch.float16, torch.bfloat16)
_LARGEST_HEAD = 256


def automatic(_: Place) -> Attend:
    """The kernel that torch picks by itself."""
    return sdpa


def flash(place: Place) -> Attend:
    """FlashAttention as torch brings it; on the CPU torch's own of that kind."""
    return _flash_cpu if place.device.type == "cpu" else _flash_cuda


def efficient(_: Place) -> Attend:
    """The memory-efficient kernel, which came from xFormers."""

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        bias = None if mask is None else aligned_bias(mask, query, key)
        operator = _OPERATORS._scaled_dot_product_efficient_attention
        return operator(query, key, value, bias, False, scale=scale)[0]

    return attend


def cudnn(_: Place) -> Attend:
    """cuDNN's kernel."""

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        bias = None if mask is None else aligned_bias(mask, query, key)
        return _OPERATORS._scaled_dot_product_cudnn_attention(query, key, value, bias, False, scale=scale)[0]

    return attend


def mathematical(_: Place) -> Attend:
    """torch's own plain products, which hold the whole score matrix; a very large one is computed in slices."""
    return _math


def without_efficient(place: Place) -> Attend:
    """Flash where it can be, else plain products: A1111's sdp-no-mem, whose answers are the same at each run."""

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        if place.device.type == "cpu":
            return _flash_cpu(query, key, value, mask, scale)
        width = query.shape[-1]
        fits = mask is None and query.dtype in _HALF and width % 8 == 0 and width <= _LARGEST_HEAD
        return (_flash_cuda if fits else _math)(query, key, value, mask, scale)

    return attend


def _flash_cuda(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    if mask is not None:
        raise NotImplementedError("It knows no masks.")
    return _OPERATORS._scaled_dot_product_flash_attention(query, key, value, scale=scale)[0]


def _flash_cpu(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    bias = None if mask is None else additive(mask, query.dtype)[(None,) * (4 - mask.ndim)]
    return _OPERATORS._scaled_dot_product_flash_attention_for_cpu(query, key, value, attn_mask=bias, scale=scale)[0]


def _math(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    # Without bound it would not fail where memory is short but, on the CPU, have the system kill the worker.
    return in_slices(_math_whole, LARGEST_SCORES)(query, key, value, mask, scale)


def _math_whole(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    # This operator takes True and False for numbers.
    bias = None if mask is None else additive(mask, query.dtype)
    return _OPERATORS._scaled_dot_product_attention_math(query, key, value, bias, scale=scale)[0]
