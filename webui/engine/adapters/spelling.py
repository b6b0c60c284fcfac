"""How files of adapters name their tensors: which module each is for, and which part of its formula. Torch-free.

The namings are those of kohya's sd-scripts, of LyCORIS, and of diffusers and PEFT in their older and newer spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

DOWN, UP, MID, ALPHA, MAGNITUDE = "lora_down", "lora_up", "lora_mid", "alpha", "dora_scale"

_BY_NAME = (
    ALPHA, MAGNITUDE, "diff", "diff_b", "w_norm", "b_norm",
    *(f"hada_{part}" for part in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")),
    *(f"lokr_{part}" for part in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")),
)  # fmt: skip
"""Parts that a file calls by their own name at the end."""

_OLD_DIFFUSERS = re.compile(r"(.+)\.processor\.(to_q|to_k|to_v|to_out)_lora\.(down|up)\.weight")
_PEFT = re.compile(r"(.+)\.lora_([AB])(?:\.default\w*)?\.weight")
_PEFT_MAGNITUDE = re.compile(r"(.+)\.lora_magnitude_vector(?:\.default\w*)?(?:\.weight)?")
_PLAIN = re.compile(r"(.+)\.(?:lora_|lora\.|lora_linear_layer\.)(down|up|mid)\.weight")
_NAMED = re.compile(rf"(.+)\.({'|'.join(sorted(_BY_NAME, key=len, reverse=True))})")
_BUNDLED = re.compile(r"bundle_emb\.([^.]+)\.(.+)")

_RARE: Mapping[str, re.Pattern[str]] = {
    "OFT or BOFT": re.compile(r"\.oft_(blocks|diag|R)\b|\.boft_"),
    "GLoRA": re.compile(r"\.[ab][12]\.weight$"),
    "IA3": re.compile(r"\.on_input$|\.ia3_"),
    "VeRA": re.compile(r"\.vera_lambda|^vera_"),
    "AdaLoRA": re.compile(r"\.lora_E\b|\.ranknum\b"),
    "LoRA of an embedding table": re.compile(r"\.lora_embedding_[AB]\b"),
    "LoRA with biases": re.compile(r"\.lora_B(\.default\w*)?\.bias$|\.bias_(values|indices|size)$"),
    "XLabs' LoRA": re.compile(r"\.processor\.(qkv|proj)_lora\d?\."),
    "ControlNet-LLLite": re.compile(r"^lllite_"),
    "Control-LoRA": re.compile(r"^lora_controlnet$"),
    "LoRA with weights to be set": re.compile(r"\.(set_weight|reshape_weight)$"),
}
"""Kinds that nothing here can add, by a name that only their tensors have."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """What a tensor's name says. module: as the file names it, dots as underscores. part: of the formula."""

    module: str
    part: str


def spelled(name: str) -> Spelled | None:
    """What the name says; None for one of no adapter that is known here."""
    if found := _OLD_DIFFUSERS.fullmatch(name):
        inside = "to_out.0" if found[2] == "to_out" else found[2]
        return _made(f"{found[1]}.{inside}", f"lora_{found[3]}")
    if found := _PEFT.fullmatch(name):
        return _made(found[1], DOWN if found[2] == "A" else UP)
    if found := _PEFT_MAGNITUDE.fullmatch(name):
        return _made(found[1], MAGNITUDE)
    if found := _PLAIN.fullmatch(name) or _NAMED.fullmatch(name):
        part = found[2]
        return _made(found[1], f"lora_{part}" if part in ("down", "up", "mid") else part)
    return None


def bundled(name: str) -> tuple[str, str] | None:
    """(the embedding, the key inside its file) of a tensor of an embedding that lies in the adapter's file."""
    found = _BUNDLED.fullmatch(name)
    return (found[1], found[2]) if found else None


def rare_kind(names: Iterable[str]) -> str | None:
    """The kind that these tensors are of, where it is one that is refused."""
    ordered = list(names)
    return next((kind for kind, sign in _RARE.items() if any(sign.search(name) for name in ordered)), None)


def naming(names: Iterable[str]) -> str:
    """Whose naming this is: "LyCORIS", "kohya" or "diffusers"."""
    ordered = list(names)
    if any(name.startswith("lycoris_") or ".hada_" in name or ".lokr_" in name for name in ordered):
        return "LyCORIS"
    return "kohya" if any(name.startswith("lora_") for name in ordered) else "diffusers"


def _made(module: str, part: str) -> Spelled:
    return Spelled(module.replace(".", "_"), part)
