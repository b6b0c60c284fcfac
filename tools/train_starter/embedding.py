"""Training an embedding on the starter: a word whose vectors alone are learned (arXiv 2208.01618)."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from tools.train_starter.captions import NOUNS, SYNONYMS, caption
from tools.train_starter.draw import draw
from tools.train_starter.models import SCALING
from tools.train_starter.sample import Model
from tools.train_starter.scene import Scene, single
from tools.train_starter.training import Plan, cosine
from tools.train_starter.unet import NoiseLoss
from tools.train_starter.vae import to_tensor

log = logging.getLogger(__name__)
SHAPE, COLOUR = "circle", "purple"
VECTORS, RATE = 2, 5e-3
SCENES = 120
START = "green circle"
_THING = re.compile(rf"({'|'.join((COLOUR, *SYNONYMS[COLOUR]))}) ({'|'.join(NOUNS[SHAPE])})\b")


def scenes(seed: int, count: int) -> list[Scene]:
    """Pictures of one object of the kind that the word is to mean, all else different."""
    return [single(np.random.default_rng((seed, 17, index)), (SHAPE, COLOUR)) for index in range(count)]


def texts_of(rng: np.random.Generator, scene: Scene) -> tuple[str, str]:
    """A caption of the scene, before and behind the word."""
    text = caption(rng, scene).text
    found = _THING.search(text)
    # A caption that leaves shape or colour open has the word alone.
    return (text[: found.start()], text[found.end() :]) if found else ("a", "")


class Word:
    """The vectors that are learned, and texts that have them."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._table: torch.nn.Embedding = model.encoder.get_input_embeddings()
        start = model.bpe.encode(START)
        assert len(start) == VECTORS
        self.vectors = self._table.weight[start].detach().clone().requires_grad_(True)

    def states(self, texts: list[tuple[str, str]]) -> Tensor:
        """The states (texts, 77, width) of texts that have the word between two parts."""
        rows, places = [], []
        for before, after in texts:
            first = self._model.bpe.encode(before)
            rows.append(self._model.bpe.padded([*first, *[0] * VECTORS, *self._model.bpe.encode(after)]))
            places.append(len(first) + 1)

        def put(_: object, __: object, output: Tensor) -> Tensor:
            made = output.clone()
            for row, place in enumerate(places):
                made[row, place : place + VECTORS] = self.vectors
            return made

        handle = self._table.register_forward_hook(put)
        try:
            numbers = torch.tensor(rows).to(self.vectors.device)
            states: Tensor = self._model.encoder(input_ids=numbers).last_hidden_state
        finally:
            handle.remove()
        return states


@torch.no_grad()
def _latents(model: Model, shown: list[Scene], device: str) -> Tensor:
    pictures = np.stack([draw(scene) for scene in shown])
    rows = [to_tensor(pictures[start : start + 50]).to(device) for start in range(0, len(pictures), 50)]
    return torch.cat([model.vae.encode(row).latent_dist.mean * SCALING for row in rows])


def train(folder: Path, out: Path, plan: Plan, seed: int, device: str, size: int = 8, count: int = SCENES) -> None:
    """Train on the model in `folder`, and write the embedding to the file `out`."""
    model = Model.load(folder, device)
    for network in (model.unet, model.encoder):
        network.requires_grad_(False)
    shown = scenes(seed, count)
    latents = _latents(model, shown, device)
    word = Word(model)
    optimizer = torch.optim.AdamW([word.vectors], RATE, betas=(0.9, 0.99), weight_decay=0.0)
    loss_of = NoiseLoss(device)
    losses: list[float] = []
    plan.start = time.monotonic()
    while not plan.done:
        for group in optimizer.param_groups:
            group["lr"] = RATE * cosine(plan.part, hold=0.3)
        rng = np.random.default_rng((seed, 19, plan.step))
        rows = rng.choice(count, size, replace=False)
        states = word.states([texts_of(rng, shown[row]) for row in rows])
        loss = loss_of(model.unet, latents[rows], states, torch.Generator().manual_seed(seed * 1_000_003 + plan.step))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        plan.step += 1
        losses.append(loss.item())
        if plan.step % 25 == 0:
            log.info("embedding: step %d, %.0f s, loss %.4f", plan.step, plan.seconds, float(np.mean(losses)))
            losses.clear()
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": word.vectors.detach().cpu().contiguous()}, out, {"modelspec.license": "Apache-2.0"})
