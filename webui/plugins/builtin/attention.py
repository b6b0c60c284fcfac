"""The built-in attention backends, one row each; their functions run in the worker only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from webui.core.registry import AttentionBackend
from webui.plugins.hooks import hookimpl

_CUDA = ("cuda",)
_HALF = ("fp16", "bf16")
_EIGHTS = range(8, 257, 8)

LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "flash_hub",
                "flash_varlen_hub",
                "flash_4_hub",
                "_flash_3_hub",
                "_flash_3_varlen_hub",
                "aiter_fa2_hub",
                "sage_hub",
                "sage_blackwell_hub",
            ),
            "it would fetch compiled code from the internet while a picture is made",
        ),
        **dict.fromkeys(("_native_npu", "_native_xla"), "it is for devices that this program does not compute on"),
    }
)
"""Backends of diffusers' registry that are no rows, each with the reason."""


@hookimpl
def attention_backends() -> list[AttentionBackend]:
    """The ways to compute attention, the default first."""
    return [*_torch(), *_products(), *_packages(), *_dispatched()]


def _torch() -> list[AttentionBackend]:
    module = "webui.engine.attention.kernels"
    return [
        AttentionBackend(
            "sdpa",
            "Scaled dot product (torch)",
            f"{module}:automatic",
            aliases=("sdp", "sdp - scaled dot product", "opt-sdp-attention", "attention-pytorch", "pytorch", "native"),
        ),
        AttentionBackend(
            "auto", "Automatic (the fastest measured)", "webui.engine.attention.auto:auto", aliases=("Automatic",)
        ),
        AttentionBackend(
            "sdp-no-mem",
            "Scaled dot product without its memory-efficient kernel",
            f"{module}:without_efficient",
            aliases=(
                "sdp-no-mem - scaled dot product without memory efficient attention",
                "opt-sdp-no-mem-attention",
            ),
        ),
        AttentionBackend(
            "sdpa-flash",
            "Scaled dot product, flash kernel",
            f"{module}:flash",
            aliases=("_native_flash", "native_flash"),
            devices=("cuda", "cpu"),
            head_sizes=_EIGHTS,
        ),
        AttentionBackend(
            "sdpa-efficient",
            "Scaled dot product, memory-efficient kernel",
            f"{module}:efficient",
            aliases=("_native_efficient", "native_efficient", "sdpa-memory-efficient"),
            devices=_CUDA,
            head_sizes=range(8, 1025, 8),
        ),
        AttentionBackend(
            "sdpa-cudnn",
            "Scaled dot product, cuDNN kernel",
            f"{module}:cudnn",
            aliases=("_native_cudnn", "native_cudnn"),
            devices=_CUDA,
            dtypes=_HALF,
            head_sizes=_EIGHTS,
        ),
        AttentionBackend(
            "sdpa-math",
            "Scaled dot product, plain kernel",
            f"{module}:mathematical",
            aliases=("_native_math", "native_math"),
        ),
    ]


def _products() -> list[AttentionBackend]:
    module = "webui.engine.attention.products"
    return [
        AttentionBackend("math", "Plain matrix products", f"{module}:products", aliases=("none", "normal")),
        AttentionBackend(
            "sub-quadratic",
            "Sub-quadratic (little memory)",
            f"{module}:sub_quadratic",
            aliases=("sub-quad", "opt-sub-quad-attention", "attention-quad"),
        ),
        AttentionBackend(
            "split",
            "Split (as much memory as is free)",
            f"{module}:split",
            aliases=(
                "split attention",
                "attention-split",
                "opt-split-attention",
                "Doggettx",
                "V1",
                "V1 - original v1",
                "opt-split-attention-v1",
                "InvokeAI",
                "opt-split-attention-invokeai",
            ),
        ),
    ]


def _packages() -> list[AttentionBackend]:
    module = "webui.engine.attention.packages"
    return [
        AttentionBackend("xformers", "xFormers", f"{module}:xformers", package="xformers", devices=_CUDA),
        AttentionBackend(
            "flash",
            "FlashAttention 2",
            f"{module}:flash",
            aliases=("flash_attn", "flash-attention"),
            package="flash_attn",
            devices=_CUDA,
            dtypes=_HALF,
            head_sizes=_EIGHTS,
            masks=False,
        ),
        AttentionBackend(
            "sage",
            "SageAttention (8-bit scores)",
            f"{module}:sage",
            aliases=("sageattention", "sage-attention"),
            package="sageattention",
            devices=_CUDA,
            dtypes=_HALF,
            head_sizes=range(8, 129, 8),
            masks=False,
        ),
    ]


def _dispatched() -> list[AttentionBackend]:
    """Those of diffusers' registry that are not above, under diffusers' names."""
    module = "webui.engine.attention.dispatched"

    def row(name: str, title: str, package: str, masks: bool = False, sizes: range = _EIGHTS) -> AttentionBackend:
        own = (f"_{name}",) if name != "flash_varlen" and name != "sage_varlen" else ()
        return AttentionBackend(
            name,
            title,
            f"{module}:{name}",
            aliases=own,
            package=package,
            devices=_CUDA,
            dtypes=_HALF,
            head_sizes=sizes,
            masks=masks,
        )

    sage = range(64, 129, 32)
    return [
        AttentionBackend("flex", "FlexAttention (torch)", f"{module}:flex", masks=False),
        row("flash_varlen", "FlashAttention 2, packed", "flash_attn"),
        row("flash_3", "FlashAttention 3", "flash_attn_interface"),
        row("flash_varlen_3", "FlashAttention 3, packed", "flash_attn_interface"),
        row("sage_varlen", "SageAttention, packed", "sageattention", sizes=sage),
        row("sage_qk_int8_pv_fp8_cuda", "SageAttention, int8 and fp8", "sageattention", sizes=sage),
        row("sage_qk_int8_pv_fp8_cuda_sm90", "SageAttention, int8 and fp8 for Hopper", "sageattention", sizes=sage),
        row("sage_qk_int8_pv_fp16_cuda", "SageAttention, int8 and fp16", "sageattention", sizes=sage),
        row("sage_qk_int8_pv_fp16_triton", "SageAttention, int8 and fp16 by Triton", "sageattention", sizes=sage),
    ]
