"""Checkpoints with random weights are ones that our catalogue takes; the sizes are those of the real models."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from tests.conftest import make_sham
from tools.bench.random_models import SIZES, Size, make
from webui.engine.checkpoints.catalogue import Catalogue

SMALL = Size(
    side=64,
    width=64,
    layers=1,
    unet={
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    },
    vae={"block_out_channels": (8,), "norm_num_groups": 2, "latent_channels": 4},
)


def test_a_random_checkpoint_is_one_that_can_be_used(tmp_path: Path) -> None:
    make(SMALL, make_sham(tmp_path / "sham"), tmp_path / "models" / "small")
    (found,) = Catalogue((tmp_path / "models",)).all()
    assert found.problem is None and found.family == "sd1" and found.size_bytes > 0


def test_the_sizes_are_those_of_the_models() -> None:
    billions = {}
    for name, size in SIZES.items():
        with torch.device("meta"):
            unet = UNet2DConditionModel(cross_attention_dim=size.width, **size.unet)
        billions[name] = sum(weight.numel() for weight in unet.parameters()) / 1e9
    assert 0.85 < billions["sd15"] < 0.87
    assert 2.5 < billions["sdxl"] < 2.7
