"""Attention by the further backends of diffusers' registry, under diffusers' names."""

from __future__ import annotations

from diffusers.models import attention_dispatch
from torch import Tensor

from webui.engine.attention.base import Attend, Make, Place
from webui.engine.attention.slices import LARGEST_SCORES, in_slices


def _of(name: str) -> Make:
    """The one that diffusers calls so; see the row for what it cannot do."""
    backend = attention_dispatch.AttentionBackendName(name)

    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        turned = [tensor.transpose(1, 2) for tensor in (query, key, value)]
        compute = attention_dispatch.dispatch_attention_fn
        return compute(*turned, attn_mask=mask, scale=scale, backend=backend).transpose(1, 2)

    # Uncompiled, as here, flex holds the whole score matrix.
    bounded = in_slices(attend, LARGEST_SCORES) if name == "flex" else attend

    def make(_: Place) -> Attend:
        # Of a missing, old or broken package it says which, and what to install.
        attention_dispatch._check_attention_backend_requirements(backend)
        return bounded

    return make


flex = _of("flex")
flash_varlen = _of("flash_varlen")
flash_3 = _of("_flash_3")
flash_varlen_3 = _of("_flash_varlen_3")
sage_varlen = _of("sage_varlen")
sage_qk_int8_pv_fp8_cuda = _of("_sage_qk_int8_pv_fp8_cuda")
sage_qk_int8_pv_fp8_cuda_sm90 = _of("_sage_qk_int8_pv_fp8_cuda_sm90")
sage_qk_int8_pv_fp16_cuda = _of("_sage_qk_int8_pv_fp16_cuda")
sage_qk_int8_pv_fp16_triton = _of("_sage_qk_int8_pv_fp16_triton")
