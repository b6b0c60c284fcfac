"""Tell weights of few bits that cannot be read here by the names and types of a file's tensors. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers.base import TensorInfo

# What stands beside a quantised weight, and who writes so. The first that is found counts.
_ENDS = {
    "quant_state.bitsandbytes__nf4": "nf4 of bitsandbytes",
    "quant_state.bitsandbytes__fp4": "fp4 of bitsandbytes",
    ".SCB": "int8 of bitsandbytes",
    ".wscales": "int4 or nvfp4 of nunchaku (SVDQuant)",
    ".qzeros": "int4 of GPTQ or AWQ",
    ".weight_scale_2": "nvfp4",
    ".weight_qdata": "int4 or int8 of torchao",
    ":_data:qdata": "int4 or int8 of torchao",
    ".weight_packed": "int4 of compressed-tensors",
    ".zero_point": "SDNQ's integers",
}
_WEIGHT = ".weight"
_SCALES = (".weight_scale", ".scale_weight", ".scale")


def refuse_quantised(tensors: Mapping[str, TensorInfo], what: str) -> None:
    """Raise ModelProblem where weights are of a kind that cannot be read, and name it. what: "It", "The part unet"."""
    kind = quantised_as(tensors)
    if kind:
        raise ModelProblem(
            f"{what} is quantised as {kind}, which cannot be read here. Get it as bf16, fp16, fp8 or GGUF.",
            field="checkpoint",
        )


def quantised_as(tensors: Mapping[str, TensorInfo]) -> str | None:
    """The kind of the weights' quantisation, None where there is none but fp8 and GGUF's own."""
    found: set[str] = set()
    for name, info in tensors.items():
        found |= {end for end in _ENDS if name.endswith(end)}
        stem = name.removesuffix(_WEIGHT)
        if stem != name and len(info.shape) == 2 and info.dtype in ("I8", "U8"):
            found |= {_beside(stem, info, tensors)}
        # Scales for blocks of 32 numbers, in a type that has powers of two alone.
        if name.endswith(_SCALES) and info.dtype in ("F8_E8M0", "U8") and len(info.shape) == 2:
            found |= {"mxfp"}
    return next(
        (kind for end, kind in {**_ENDS, "mxfp": "mxfp8 or mxfp4", "int8": "int8"}.items() if end in found), None
    )


def _beside(stem: str, info: TensorInfo, tensors: Mapping[str, TensorInfo]) -> str:
    scaled = any(f"{stem}{scale}" in tensors for scale in _SCALES)
    return "int8" if scaled and info.dtype == "I8" else ""
