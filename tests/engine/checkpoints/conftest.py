"""Tiny model files of real names and forms, made once a session and copied by the tests that move them about."""

import shutil

import pytest
import torch

from tests.engine import singles


@pytest.fixture(scope="session")
def stock(tmp_path_factory):
    """A folder with whole.safetensors (SD1), unet, vae, clip of it alone, vae16 of SD3's form, and xl (SDXL)."""
    folder = tmp_path_factory.mktemp("stock")
    model, large = singles.sd("sd1"), singles.sd("sdxl", marks=("v_pred",))
    singles.write(model.tensors(), folder / "whole.safetensors", torch.float16)
    singles.write(model.tensors("unet", "text_encoder"), folder / "novae.safetensors", torch.float16)
    singles.write(model.tensors("unet", bare=True), folder / "unet.safetensors", torch.float16)
    singles.write(model.tensors("vae", bare=True), folder / "vae.safetensors")
    singles.write(model.tensors("text_encoder", bare=True), folder / "clip.safetensors", torch.float16)
    singles.write(large.tensors(), folder / "xl.safetensors", torch.float16)
    wide = singles.Part(singles.tiny.vae(latent_channels=16), "", singles.ldm.vae)
    singles.write(singles.Model("sd3", {"vae": wide}).tensors(bare=True), folder / "vae16.safetensors")
    return folder


@pytest.fixture
def put(stock):
    """put(name, target): a copy of a stock file."""

    def copy(name, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(stock / f"{name}.safetensors", target)
        return target

    return copy
