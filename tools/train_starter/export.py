"""Writes the trained parts as a diffusers folder in SD1's form, float16, with Darkroom's sidecar beside it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from tools.train_starter.models import BETAS, make_unet
from tools.train_starter.tokenizer import Bpe

log = logging.getLogger(__name__)
# Euler reads them not; other schedulers made from the same config do, as from SD1's own: DDIM would clip the latents.
SCHEDULER_EXTRAS = {"clip_sample": False, "set_alpha_to_one": False, "skip_prk_steps": True}
SIDECAR = {
    "title": "Darkroom starter",
    "native_size": 128,
    "sizes": [[128, 128]],
    "steps": 20,
    "cfg_scale": 4.0,
    "sampler_name": "DPM++ 2M",
    "scheduler": "Automatic",
    "about": [
        "Draws circles, squares, triangles, stars, hearts, diamonds, crosses and moons in twelve colours: "
        "one, two to four alike, or a pair.",
        "Backgrounds are plain, gradient, striped or checkered; say where things stand: top left, above, left of.",
    ],
    "examples": [
        "a red circle on a blue background",
        "three yellow stars on a black background",
        "a yellow star above a purple moon",
    ],
    "license": "Apache-2.0",
}


def averaged_unet(folder: Path) -> tuple[UNet2DConditionModel, int]:
    """The UNet with the averaged weights of the training's last saved state (it may still be running), and its step."""
    state = torch.load(folder / "unet.pt", weights_only=True, map_location="cpu")
    weights = state["average"]
    channels = tuple(weights[f"down_blocks.{i}.resnets.0.conv1.weight"].shape[0] for i in range(3))
    unet = make_unet(channels)
    unet.load_state_dict(weights)
    return unet, state["step"]


def export(folder: Path, target: Path) -> None:
    """Writes the model found in the training folder `folder` to `target`."""
    bpe = Bpe.load(folder / "tokenizer")
    unet, step = averaged_unet(folder)
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=unet,
        # SD1's PNDM needs about 50 steps on this model; Euler draws right with 20.
        scheduler=EulerDiscreteScheduler(
            **BETAS, timestep_spacing="leading", steps_offset=1, prediction_type="epsilon"
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(torch.float16)
    pipe.save_pretrained(target, safe_serialization=True)
    # transformers writes tokenizer.json only; older readers want the two classic files.
    bpe.save(target / "tokenizer")
    _complete(target / "scheduler" / "scheduler_config.json")
    sidecar = {**SIDECAR, "training_steps": step}
    (target / "darkroom.json").write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
    files = [path for path in target.rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o644)
        if path.name == "config.json":
            _neutral(path)
    size = sum(path.stat().st_size for path in files)
    log.info("export: %s, %.1f MB", target, size / 1e6)


def _neutral(path: Path) -> None:
    """Forgets the training folder; the text encoder is to be read as float32, as diffusers reads the others."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    if "dtype" in config:
        config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _complete(path: Path) -> None:
    """Adds `SCHEDULER_EXTRAS` to the scheduler's config."""
    config = json.loads(path.read_text(encoding="utf-8")) | SCHEDULER_EXTRAS
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
