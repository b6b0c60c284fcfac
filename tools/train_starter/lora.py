"""Training a LoRA that teaches the finished starter a word which it does not know, the colour lime; through PEFT."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file
from torch import nn

from tools.train_starter.captions import caption, dropped
from tools.train_starter.draw import draw
from tools.train_starter.models import SCALING
from tools.train_starter.sample import Model
from tools.train_starter.scene import COLOURS, Scene, random_scene
from tools.train_starter.text import states_of
from tools.train_starter.training import Plan, cosine
from tools.train_starter.unet import DROP, NoiseLoss
from tools.train_starter.vae import to_tensor

log = logging.getLogger(__name__)
WORD, COLOUR = "lime", (165, 240, 20)
PALETTE = {**COLOURS, WORD: COLOUR}
RANK, RATE = 8, 3e-3
SCENES = 240
# The others keep what the model knows.
SHARE = 0.7

UNET_LAYERS = r".*(to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2|conv1|conv2)"
TEXT_LAYERS = r".*(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"


def scenes(seed: int, count: int) -> list[Scene]:
    """The first `count` scenes of the data set, most of them with a lime object."""
    return [_scene(seed, index) for index in range(count)]


def _scene(seed: int, index: int) -> Scene:
    scene = random_scene(seed + 1, index)
    rng = np.random.default_rng((seed, 11, index))
    if rng.random() > SHARE:
        return scene
    if scene.layout != "pair":
        return replace(scene, things=tuple(replace(thing, colour=WORD) for thing in scene.things))
    chosen = int(rng.integers(2))
    things = (replace(t, colour=WORD) if number == chosen else t for number, t in enumerate(scene.things))
    return replace(scene, things=tuple(things))


def add(model: Model) -> list[nn.Parameter]:
    """Put LoRA layers into the model's networks; what is to be trained of them."""
    for network, layers in ((model.unet, UNET_LAYERS), (model.encoder, TEXT_LAYERS)):
        network.requires_grad_(False)
        inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=layers), network)
    networks = (model.unet, model.encoder)
    return [p for network in networks for name, p in network.named_parameters() if "lora_" in name]


def tensors_of(model: Model) -> dict[str, torch.Tensor]:
    """What was trained, by the names of kohya's files."""
    found: dict[str, torch.Tensor] = {}
    parts = (("lora_unet", "", model.unet), ("lora_te", "text_model.", model.encoder))
    for prefix, start, network in parts:
        for name, parameter in network.named_parameters():
            module, _, end = name.partition(".lora_")
            if not end:
                continue
            module = start + module.removeprefix(start) if start else module
            stem = f"{prefix}_{module.replace('.', '_')}"
            way = "down" if end.startswith("A") else "up"
            found[f"{stem}.lora_{way}.weight"] = parameter.detach().half().cpu().contiguous()
            found[f"{stem}.alpha"] = torch.tensor(float(RANK))
    return found


@torch.no_grad()
def _latents(model: Model, shown: list[Scene], device: str) -> torch.Tensor:
    pictures = np.stack([draw(scene, palette=PALETTE) for scene in shown])
    rows = [to_tensor(pictures[start : start + 50]).to(device) for start in range(0, len(pictures), 50)]
    return torch.cat([model.vae.encode(row).latent_dist.mean * SCALING for row in rows])


def train(folder: Path, out: Path, plan: Plan, seed: int, device: str, size: int = 8, count: int = SCENES) -> None:
    """Train on the model in `folder`, and write the LoRA to the file `out`."""
    model = Model.load(folder, device)
    shown = scenes(seed, count)
    latents = _latents(model, shown, device)
    log.info("lora: %d pictures", len(shown))
    plan.start = time.monotonic()
    trained = add(model)
    optimizer = torch.optim.AdamW(trained, RATE, betas=(0.9, 0.99), weight_decay=0.0)
    loss_of = NoiseLoss(device)
    losses: list[float] = []
    while not plan.done:
        for group in optimizer.param_groups:
            group["lr"] = RATE * cosine(plan.part, hold=0.3) * min(1.0, (plan.step + 1) / 20)
        rng = np.random.default_rng((seed, 13, plan.step))
        rows = rng.choice(count, size, replace=False)
        texts = [dropped(rng) if rng.random() < DROP else caption(rng, shown[row]) for row in rows]
        numbers = [model.bpe.padded(model.bpe.encode(text.text)) for text in texts]
        states = states_of(model.encoder, torch.tensor(numbers).to(device))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + plan.step)
        loss = loss_of(model.unet, latents[rows], states, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        plan.step += 1
        losses.append(loss.item())
        if plan.step % 25 == 0:
            log.info("lora: step %d, %.0f s, loss %.4f", plan.step, plan.seconds, float(np.mean(losses)))
            losses.clear()
    log.info("lora: %d steps, %.0f s", plan.step, plan.seconds)
    out.parent.mkdir(parents=True, exist_ok=True)
    said = {"ss_output_name": out.stem, "ss_network_module": "networks.lora", "modelspec.trigger_phrase": WORD}
    save_file(tensors_of(model), out, {**said, "modelspec.license": "Apache-2.0"})
