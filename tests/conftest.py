"""Shared by all tests: a temporary data folder, the registry, a checkpoint in form only, and the house on a fake."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from safetensors.numpy import save_file

from webui.app import House, compose
from webui.core.paths import Paths
from webui.core.registry import Registry
from webui.core.settings import SettingsStore
from webui.jobs.executors.fake import FakeExecutor
from webui.plugins.loader import build_registry, load_plugins

# How long an example takes says something of the machine only.
settings.register_profile("darkroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("darkroom")

SHAM_NAME = "sham"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Whatever a command set up for its log is taken back, or the next test's warnings may be kept quiet."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Folders of their own for everything; nothing of the program's own folder is found."""
    return Paths(data_dir=tmp_path / "home", program_dir=tmp_path / "home")


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The built-in rows."""
    return build_registry(load_plugins((), "web"))


@pytest.fixture
def sham(paths: Paths) -> Path:
    """A checkpoint that is listed and accepted, without a model in it: only the fake executor can use it."""
    return make_sham(paths.model_folders.checkpoints[0] / SHAM_NAME)


@pytest.fixture
def house(paths: Paths, sham: Path) -> Iterator[House]:
    """The composed house with the fake executor, not running: `async with house.running() as service`."""
    built = compose(paths, SettingsStore(paths.settings), [FakeExecutor(step_seconds=0.002)])
    assert built.service.defaults()["checkpoint"].startswith(sham.name)
    yield built
    built.queue.close()


def make_sham(folder: Path) -> Path:
    """A diffusers folder in SD1's form without a model in it; its sidecar says 64 x 64 and 4 steps."""
    texts = {
        "model_index.json": {"_class_name": "StableDiffusionPipeline"},
        "unet/config.json": {
            "_class_name": "UNet2DConditionModel", "cross_attention_dim": 8, "block_out_channels": [8],
        },
        "vae/config.json": {"_class_name": "AutoencoderKL"},
        "text_encoder/config.json": {"architectures": ["CLIPTextModel"], "vocab_size": 5},
        "scheduler/scheduler_config.json": {},
        "tokenizer/vocab.json": {"<|startoftext|>": 0, "<|endoftext|>": 1, "a": 2, "a</w>": 3, ",</w>": 4},
        "darkroom.json": {"native_size": 64, "steps": 4, "examples": ["a red circle"]},
    }  # fmt: skip
    weights = {
        "unet/diffusion_pytorch_model": {"conv_in.weight": (8, 4, 1, 1)},
        "vae/diffusion_pytorch_model": {
            "decoder.conv_in.weight": (8, 4, 1, 1),
            "decoder.conv_out.weight": (3, 8, 1, 1),
        },
        "text_encoder/model": {
            "text_model.embeddings.token_embedding.weight": (5, 8),
            "text_model.embeddings.position_embedding.weight": (77, 8),
            "text_model.encoder.layers.0.mlp.fc1.weight": (8, 8),
        },
    }
    for name, data in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data), encoding="utf-8")
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    for name, shapes in weights.items():
        tensors = {key: np.zeros(shape, np.float16) for key, shape in shapes.items()}
        save_file(tensors, folder / f"{name}.safetensors")
    return folder
