"""Of which kind a file on a server is: by the names of tensors at its beginning, else by its own name. Torch-free."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection
from pathlib import PurePosixPath

from webui.engine.work.download.web import Web, WebProblem

_MOST_HEADER = 16_000_000
_EMBEDDING_BYTES = 2_000_000

_SIGNS = (
    ("LoRA", (".lora_down.", ".lora_up.", ".lora_A.", ".lora_B.", ".hada_w1_a", ".lokr_w1", ".oft_blocks", ".dora_")),
    ("ControlNet", ("control_model.", "controlnet_", "input_hint_block.", "control_add_embedding.")),
    ("embedding", ("emb_params", "string_to_param", "clip_g", "clip_l")),
    ("checkpoint", ("cond_stage_model.", "conditioner.embedders.", "first_stage_model.", "text_encoders.")),
    (
        "diffusion model",
        ("model.diffusion_model.", "input_blocks.", "double_blocks.", "joint_blocks.", "noise_refiner."),
    ),
    ("VAE", ("decoder.conv_in.", "decoder.conv1.", "decoder.middle.")),
    ("text encoder", ("text_model.", "encoder.block.", "model.layers.", "transformer.resblocks.")),
    ("upscaler", ("model.0.weight", "RRDB", "conv_first.")),
)
"""What some tensor's name begins with, or has inside where it begins with a point; the first kind that fits."""

_WORDS = (
    ("VAE", ("vae",)),
    ("LoRA", ("lora", "lycoris")),
    ("ControlNet", ("control",)),
    ("text encoder", ("t5xxl", "clip_l", "clip_g", "qwen_3", "qwen3", "text_encoder")),
    ("embedding", ("embedding",)),
)


def kind_of(web: Web, url: str, name: str, size: int | None) -> str:
    """The kind; a server that gives no part of a file leaves its name."""
    names = _tensor_names(web, url) if name.endswith((".safetensors", ".sft")) else ()
    return by_tensors(names) or by_name(name, size)


def by_tensors(names: Collection[str]) -> str:
    """The kind of a file with these tensors, "" where none fits."""
    for kind, signs in _SIGNS:
        for sign in signs:
            if any(sign in name if sign.startswith(".") else name.startswith(sign) for name in names):
                return kind
    return ""


def by_name(name: str, size: int | None) -> str:
    """The kind that a file's name and size suggest."""
    lower = PurePosixPath(name).name.lower()
    found = next((kind for kind, words in _WORDS if any(word in lower for word in words)), "")
    if found:
        return found
    if lower.endswith(".gguf"):
        return "diffusion model"
    if lower.endswith(".pth"):
        return "upscaler"
    return "embedding" if size is not None and size < _EMBEDDING_BYTES else "checkpoint"


def _tensor_names(web: Web, url: str) -> tuple[str, ...]:
    try:
        start = _part(web, url, 0, 8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= _MOST_HEADER:
            return ()
        header = json.loads(_part(web, url, 8, length))
    except (WebProblem, ValueError, RecursionError):
        return ()
    return tuple(header) if isinstance(header, dict) else ()


def _part(web: Web, url: str, start: int, length: int) -> bytes:
    with web.open("GET", url, {"Range": f"bytes={start}-{start + length - 1}"}) as answer:
        if answer.status != 206:
            return b""
        data = bytearray()
        for piece in answer.response.iter_raw():
            data += piece
            if len(data) > length:
                return b""
    return bytes(data)
