"""Checkpoints with random weights in the sizes of SD1.5 and SDXL, for timing on a GPU; runs in a process of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers that make a model large; `side` is the size in pixels that it is timed at."""

    side: int
    width: int
    """Of the text encoder, and of the UNet's cross-attention."""
    layers: int
    unet: dict[str, Any] = field(default_factory=dict)
    vae: dict[str, Any] = field(default_factory=dict)


_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
}
SIZES = {
    "sd15": Size(512, 768, 12, {"attention_head_dim": 8}, _VAE),
    # SDXL's UNet without its added conditioning, which costs next to nothing: 2.6 billion parameters.
    "sdxl": Size(
        1024,
        2048,
        12,
        {
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "use_linear_projection": True,
        },
        _VAE,
    ),
}


def make(size: Size, starter: Path, folder: Path) -> None:
    """Write the model as a diffusers folder in fp16; tokenizer and noise schedule are the starter's."""
    tokenizer = CLIPTokenizer.from_pretrained(starter / "tokenizer", local_files_only=True)
    torch.manual_seed(7)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=size.width,
            intermediate_size=4 * size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=size.width // 64,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(**size.vae),
        text_encoder=text,
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(cross_attention_dim=size.width, **size.unet),
        scheduler=DDIMScheduler.from_pretrained(starter / "scheduler", local_files_only=True),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(torch.float16)
    pipeline.save_pretrained(folder)
    # The page's token counter and our engine read these two beside tokenizer.json.
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(starter / "tokenizer" / name, folder / "tokenizer" / name)
