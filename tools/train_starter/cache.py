"""What the UNet's training reads at every step, computed once: latents of all pictures, text states of captions."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel

from tools.train_starter import data
from tools.train_starter.captions import Caption, caption, dropped
from tools.train_starter.models import SCALING, TOKENS, WIDTH
from tools.train_starter.scene import Scene
from tools.train_starter.text import states_of, tokens
from tools.train_starter.tokenizer import Bpe
from tools.train_starter.vae import to_tensor

log = logging.getLogger(__name__)
# Captions kept for each picture, and captions that say nothing, for guidance.
VARIANTS = 3
EMPTY = 512
CHUNK = 240


def _open(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, Path]:
    part = path.with_name(path.stem + ".part.npy")
    return np.lib.format.open_memmap(part, "w+", np.float16, shape), part


@torch.no_grad()
def make_latents(folder: Path, device: str) -> None:
    """Encodes every picture into `folder`/latents.npy, float16 [n, 4, 16, 16], scaled to unit spread."""
    path = folder / "latents.npy"
    if path.exists():
        return
    vae = AutoencoderKL.from_pretrained(folder / "vae").to(device)
    pictures = data.pictures(folder)
    out, part = _open(path, (len(pictures), 4, 16, 16))
    for start in range(0, len(pictures), 48):
        real = to_tensor(pictures[start : start + 48]).to(device)
        out[start : start + 48] = (vae.encode(real).latent_dist.mean * SCALING).cpu().numpy()
    part.replace(path)
    log.info("cache: %d latents, spread %.3f", len(out), float(out[:2000].astype(np.float32).std()))


@torch.no_grad()
def make_states(folder: Path, seed: int, device: str) -> None:
    """Text states of `VARIANTS` captions a picture, then of `EMPTY` that say nothing: float16 [m, 77, 128]."""
    path = folder / "states.npy"
    if path.exists():
        return
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").to(device)
    bpe = Bpe.load(folder / "tokenizer")
    scenes = data.scenes(seed, len(data.pictures(folder)))
    total = len(scenes) * VARIANTS + EMPTY
    out, part = _open(path, (total, TOKENS, WIDTH))
    for start in range(0, total, CHUNK):
        rows = [tokens(bpe, given_caption(scenes, seed, i))[0] for i in range(start, min(total, start + CHUNK))]
        out[start : start + CHUNK] = states_of(encoder, torch.tensor(rows).to(device)).cpu().numpy()
    part.replace(path)
    log.info("cache: %d captions encoded", total)


def given_caption(scenes: list[Scene], seed: int, index: int) -> Caption:
    """The caption number `index` of the cache: `VARIANTS` for each scene in turn, then those that say nothing."""
    rng = np.random.default_rng((seed, 7, index))
    return caption(rng, scenes[index // VARIANTS]) if index < len(scenes) * VARIANTS else dropped(rng)
