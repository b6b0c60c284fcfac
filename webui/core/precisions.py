"""In which precision a request wants the weights of each part kept: the fields, and what infotexts call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

AUTOMATIC: Final = "Automatic"
"""What the device and the flags say."""

Precision = Literal["Automatic", "fp32", "fp16", "bf16", "fp8"]
CHOICES: Final[tuple[str, ...]] = get_args(Precision)

FIELD_OF: Final[Mapping[str, str]] = {role: f"{role}_precision" for role in ("denoiser", "text_encoder", "vae")}
"""A role's field of a request, and setting of the same name."""

FORGE_KEY: Final = "Diffusion in Low Bits"
"""Forge's key in an infotext for what the denoiser is kept in."""

# Forge's name of what is fp8 here.
_FORGE_FP8 = "float8-e4m3fn"
_FORGE = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float8": "fp8", "fp8": "fp8"}
_REMARK = re.compile(r" *\([^()]*\)$")


def written(key: str, precision: str) -> str:
    """What an infotext has under this key: nothing for Automatic, fp8 of the denoiser by Forge's name."""
    if precision == AUTOMATIC:
        return ""
    return _FORGE_FP8 if key == FORGE_KEY and precision == "fp8" else precision


def read(text: str) -> str:
    """The precision that an infotext means: 'float8-e4m3fn (fp16 LoRA)' is fp8; what is none of ours comes back.

    Both 8-bit types are fp8: what counts is that the model fits the memory.
    """
    plain = _REMARK.sub("", text.strip()).casefold()
    return _FORGE.get(re.split(r"[-_]|(?<=fp8)e", plain)[0], plain)
