"""What a file of an adapter says of itself before any weight is read: kind, whose naming, which model. Torch-free."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webui.core.errors import ModelProblem
from webui.engine.adapters.spelling import Spelled, bundled, naming, rare_kind, spelled
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.headers.base import Header, TensorInfo, unreadable
from webui.engine.checkpoints.headers.read import read_header

_SHOWN = 3
# Where the width of the text's states is seen: the way in of what a picture attends to a text by.
_OF_TEXT = re.compile(r"attn2_to_[kv]$")
_WAYS_IN = ("lora_down", "hada_w1_b", "diff")
_KRONECKER = (("lokr_w1", "lokr_w1_b"), ("lokr_w2", "lokr_w2_b"))

_ARCHITECTURES: Mapping[str, re.Pattern[str]] = {
    "chroma": re.compile(r"distilled_guidance_layer_"),
    "flux2": re.compile(r"attn_to_qkv_mlp_proj$|_stream_modulation"),
    "flux": re.compile(r"(^|_)(double_blocks|single_blocks|single_transformer_blocks)_\d+_"),
    "qwen_image": re.compile(r"(^|_)transformer_blocks_\d+_(img|txt)_(mlp|mod)_"),
    "sd3": re.compile(r"(^|_)joint_blocks_\d+_|(^|_)transformer_blocks_\d+_attn2?_add_[kqv]_proj$"),
    "unet": re.compile(r"(^|_)((down|up|input|output)_blocks_\d+|mid(dle)?_block)_"),
}
"""Which denoiser an adapter is for (the names are those of architecture rows), by its modules' names; the first that is
found counts."""

_TITLES = {"flux": "Flux.1", "flux2": "Flux.2", "sd3": "Stable Diffusion 3", "qwen_image": "Qwen-Image"} | {
    "chroma": "Chroma"
}
_BY_WIDTH = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL", 1280: "SDXL's refiner"}

_NAME_KEY = "ss_output_name"
_HASH_KEY = "sshash_model_hash"
SAFETENSORS = (".safetensors", ".sft")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file is. architecture: of the denoiser that it is for, "" where that is not seen, as of text encoders.

    context_width: of the text's states of that, 0 where it is not seen. alias: what its training called it. modules:
    how many it has something for. bundled: embeddings that lie in it. said_hash: what training wrote as its hash.
    """

    naming: str
    architecture: str = ""
    context_width: int = 0
    alias: str = ""
    modules: int = 0
    bundled: tuple[str, ...] = ()
    said_hash: str = ""

    @property
    def title(self) -> str:
        """The model that it is for, in words; "" where that is not seen."""
        return _TITLES.get(self.architecture) or _BY_WIDTH.get(self.context_width, "")


def facts_of(path: Path) -> Facts:
    """Look into a file's header. Raises ModelProblem for a damaged file, one of a rare kind, and for no adapter."""
    return facts_of_header(path, read_header(path))


def facts_of_header(path: Path, header: Header) -> Facts:
    """The same of a header that was read already."""
    rare = rare_kind(header.tensors)
    if rare:
        raise ModelProblem(
            f"{path.name} is a {rare}, a kind of adapter that is not read here.",
            field="prompt",
            remedies=("Use a LoRA, LoHa, LoKr or DoRA",),
        )
    found = {name: place for name in header.tensors if (place := spelled(name))}
    embeddings = {inside[0] for name in header.tensors if (inside := bundled(name))}
    if not found:
        shown = ", ".join(list(header.tensors)[:_SHOWN])[:200] or "nothing"
        raise ModelProblem(f"{path.name} is no LoRA: it holds {shown}.", field="prompt")
    modules = {one.module for one in found.values()}
    tensors = {place: header.tensors[name] for name, place in found.items()}
    return Facts(
        naming(header.tensors),
        next((name for name, sign in _ARCHITECTURES.items() if any(map(sign.search, modules))), ""),
        _context_width(tensors),
        header.metadata.get(_NAME_KEY, "")[:200],
        len(modules),
        tuple(sorted(embeddings)),
        header.metadata.get(_HASH_KEY, "")[:64].casefold(),
    )


def misfit(facts: Facts, checkpoint: Checkpoint) -> str | None:
    """Why the adapter is not for this checkpoint, as the end of a sentence; None where nothing speaks against it.

    What only the shapes of all weights tell is seen when it is merged.
    """
    part = next((part for part in checkpoint.parts.values() if part.role == "denoiser"), None)
    if part is None:
        return None
    width = int(part.form.facts.get("context_width") or 0)
    other = bool(facts.architecture) and facts.architecture != part.architecture
    if not other and (not facts.context_width or not width or facts.context_width == width):
        return None
    return f"it is for {facts.title or 'another kind of model'}"


def tensor_hash(path: Path) -> str:
    """A1111's hash of an adapter ("AutoV3"): sha256 in hex of a safetensors file's data behind its header.

    Of other files that of all bytes. Raises ModelProblem.
    """
    try:
        with path.open("rb") as file:
            if path.suffix.lower() in SAFETENSORS:
                start = file.read(8)
                file.seek(8 + struct.unpack("<Q", start)[0] if len(start) == 8 else 0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def header_hash(path: Path) -> str:
    """sha256 in hex of a safetensors file's header, which `tensor_hash` leaves out; "" of other files.

    Names, alphas and what they are divided by stand there. Raises ModelProblem.
    """
    if path.suffix.lower() not in SAFETENSORS:
        return ""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            return hashlib.sha256(file.read(min(size, path.stat().st_size))).hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def to_json(facts: Facts) -> str:
    """The facts as text."""
    parts = facts.naming, facts.architecture, facts.context_width, facts.alias, facts.modules, facts.bundled
    return json.dumps([*parts, facts.said_hash])


def from_json(text: str) -> Facts:
    """The facts that `to_json` described. Raises ValueError and TypeError for any other text."""
    named, architecture, width, alias, modules, embeddings, said_hash = json.loads(text)
    return Facts(named, architecture, width, alias, modules, tuple(embeddings), said_hash)


def _context_width(tensors: Mapping[Spelled, TensorInfo]) -> int:
    modules = dict.fromkeys(place.module for place in tensors if _OF_TEXT.search(place.module))
    for module in modules:
        shapes = {place.part: info.shape for place, info in tensors.items() if place.module == module}
        for part in _WAYS_IN:
            if len(shapes.get(part, ())) == 2:
                return int(shapes[part][1])
        sides = [next((shapes[part][1] for part in parts if len(shapes.get(part, ())) == 2), 0) for parts in _KRONECKER]
        if all(sides):
            return int(sides[0] * sides[1])
    return 0
