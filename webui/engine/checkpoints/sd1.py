"""Recognise Stable Diffusion 1 in a diffusers folder; names of files prove nothing, so shapes are looked at too."""

from __future__ import annotations

from pathlib import Path

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.identify import Identified, ModelFiles

COMPONENTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
"""The parts with weights of a diffusers folder, and the stem of each one's file."""


def identify(files: ModelFiles) -> Identified | None:
    """What this is as Stable Diffusion 1, None when it is something else. Raises ModelProblem when it is damaged."""
    if not files.path.is_dir():
        return None
    index = files.json("model_index.json")
    unet = files.json("unet/config.json")
    if (
        unet.get("_class_name") != "UNet2DConditionModel"
        or "text_encoder_2" in index
        or unet.get("addition_embed_type")
    ):
        return None
    if unet.get("in_channels") != 4:
        raise ModelProblem("It is an inpainting or editing model, which cannot be read yet.")
    weights, variant = weight_files(files.path)
    _check_widths(files, dict(zip(COMPONENTS, weights, strict=True)))
    tokenizer = files.path / "tokenizer"
    if not ((tokenizer / "vocab.json").is_file() and (tokenizer / "merges.txt").is_file()):
        raise ModelProblem("The tokenizer's vocab.json or merges.txt is missing.")
    for config in ("vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json"):
        files.json(config)
    return Identified(weights, variant)


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


def _check_widths(files: ModelFiles, weights: dict[str, Path]) -> None:
    headers = {part: files.tensors(path) for part, path in weights.items()}
    text = files.json("text_encoder/config.json")
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
