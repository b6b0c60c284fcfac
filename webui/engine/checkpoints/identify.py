"""Say what a checkpoint is from its content, and whether it can be read; names of files prove nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.safetensors_header import read_header

COMPONENTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
"""The parts with weights of a diffusers folder, and the stem of each one's file."""


@dataclass(frozen=True, slots=True)
class Identified:
    """What was found. `problem` is a sentence when the checkpoint cannot be used; `family` is a row's name or ""."""

    family: str
    weights: tuple[Path, ...] = ()
    variant: str | None = None
    """The middle part of the weight files' names ("fp16"), when the folder has no plain ones."""
    problem: str | None = None


def identify(path: Path) -> Identified:
    """What this diffusers folder or single file is."""
    if path.is_dir():
        try:
            return _identify_folder(path)
        except ModelProblem as error:
            return Identified("", problem=error.detail)
    if path.suffix != ".safetensors":
        return Identified(
            "",
            problem=f"{path.name} is a pickle, which can run code of strangers when it is read. "
            "Only safetensors are taken.",
        )
    try:
        read_header(path)
    except ModelProblem as error:
        return Identified("", problem=error.detail)
    return Identified(
        "", weights=(path,), problem="Single files cannot be read yet; a diffusers folder of the same model can."
    )


def weight_files(folder: Path) -> tuple[tuple[Path, ...], str | None]:
    """The weight files of a diffusers folder and their variant. Raises ModelProblem naming the missing part."""
    for variant in (None, "fp16"):
        middle = f".{variant}" if variant else ""
        files = tuple(folder / part / f"{stem}{middle}.safetensors" for part, stem in COMPONENTS.items())
        if all(file.is_file() for file in files):
            return files, variant
    for part, stem in COMPONENTS.items():
        if not any((folder / part).glob(f"{stem}*.safetensors")):
            pickles = list((folder / part).glob("*.bin"))
            detail = "has its weights only as a pickle (.bin)" if pickles else "has no weights"
            raise ModelProblem(f"The part {part} {detail}; {part}/{stem}.safetensors is missing.", field="checkpoint")
    raise ModelProblem("The parts' weight files are of different variants, or split.", field="checkpoint")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint. Raises ModelProblem with a sentence."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        where = f"{path.parent.name}/{path.name}"
        raise ModelProblem(f"{where} is missing or cannot be read.", field="checkpoint") from error
    except ValueError as error:
        raise ModelProblem(f"{path.parent.name}/{path.name} is no JSON.", field="checkpoint") from error
    if not isinstance(data, dict):
        raise ModelProblem(f"{path.parent.name}/{path.name} is no JSON object.", field="checkpoint")
    return data


def _identify_folder(folder: Path) -> Identified:
    index = read_json(folder / "model_index.json")
    unet = read_json(folder / "unet" / "config.json")
    if (
        unet.get("_class_name") != "UNet2DConditionModel"
        or "text_encoder_2" in index
        or unet.get("addition_embed_type")
    ):
        pipeline = str(index.get("_class_name", "unknown"))[:60]
        raise ModelProblem(f"It is a model of the kind {pipeline}, which cannot be read yet.")
    if unet.get("in_channels") != 4:
        raise ModelProblem("It is an inpainting or editing model, which cannot be read yet.")
    files, variant = weight_files(folder)
    _check_widths(folder, dict(zip(COMPONENTS, files, strict=True)))
    tokenizer = folder / "tokenizer"
    if not ((tokenizer / "vocab.json").is_file() and (tokenizer / "merges.txt").is_file()):
        raise ModelProblem("The tokenizer's vocab.json or merges.txt is missing.")
    for part in ("vae", "text_encoder"):
        read_json(folder / part / "config.json")
    read_json(folder / "scheduler" / "scheduler_config.json")
    return Identified("sd1", files, variant)


def _check_widths(folder: Path, files: dict[str, Path]) -> None:
    headers = {part: read_header(path).tensors for part, path in files.items()}
    text = read_json(folder / "text_encoder" / "config.json")
    keys = [info.shape for name, info in headers["unet"].items() if name.endswith("attn2.to_k.weight")]
    if not keys or "conv_in.weight" not in headers["unet"]:
        raise ModelProblem("The part unet holds weights of something else than a Stable Diffusion UNet.")
    width = keys[0][1]
    embeddings = [i.shape for n, i in headers["text_encoder"].items() if n.endswith("token_embedding.weight")]
    if not embeddings or embeddings[0][1] != width:
        raise ModelProblem("The text encoder and the UNet do not fit each other.")
    if width == 1024 and text.get("hidden_act") == "gelu":
        raise ModelProblem("It is a Stable Diffusion 2 model, which cannot be read yet.")
    if not any(name.startswith("decoder.") for name in headers["vae"]):
        raise ModelProblem("The part vae holds no decoder.")
