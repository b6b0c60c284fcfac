"""Training the UNet to predict the noise in latents, given the frozen text encoder's states."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from tools.train_starter import cache, data
from tools.train_starter.models import make_unet, noise_schedule
from tools.train_starter.training import Average, Plan, State, cosine, note

log = logging.getLogger(__name__)
RATE = 1.2e-3
DROP = 0.1
# Stripes and checks are what is learned last: from this step on a third of each batch shows patterns.
PATTERNS_FROM = 2_500
SNR_LIMIT = 5.0


class Feed:
    """Batches of latents and text states from the cache, by step number."""

    def __init__(self, folder: Path, seed: int, size: int, device: str) -> None:
        self.latents = np.load(folder / "latents.npy")
        self.states = np.load(folder / "states.npy", mmap_mode="r")
        self.seed, self.size, self.device = seed, size, device
        scenes = data.scenes(seed, len(self.latents))
        self.patterned = np.array([i for i, scene in enumerate(scenes) if scene.pattern != "plain"])

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [n, 4, 16, 16] and states [n, 77, 128]; a tenth of the states say nothing."""
        count = len(self.latents)
        position = step * self.size + np.arange(self.size)
        epochs = position // count
        orders = {e: np.random.default_rng((self.seed, 3, int(e))).permutation(count) for e in set(epochs.tolist())}
        rows = np.array([orders[e][p % count] for e, p in zip(epochs.tolist(), position.tolist(), strict=True)])
        rng = np.random.default_rng((self.seed, 5, step))
        if step >= PATTERNS_FROM:
            rows[: self.size // 3] = rng.choice(self.patterned, self.size // 3)
        texts = rows * cache.VARIANTS + rng.integers(0, cache.VARIANTS, self.size)
        empty = count * cache.VARIANTS + rng.integers(0, cache.EMPTY, self.size)
        texts = np.where(rng.random(self.size) < DROP, empty, texts)
        latents = torch.from_numpy(self.latents[rows]).float()
        states = torch.from_numpy(np.stack([self.states[i] for i in texts])).float()
        return latents.to(self.device), states.to(self.device)


class NoiseLoss:
    """The min-SNR-weighted squared error of the predicted noise, at timesteps spread evenly over the batch."""

    def __init__(self, device: str) -> None:
        self.kept = noise_schedule().alphas_cumprod.to(device)
        ratio = self.kept / (1 - self.kept)
        self.weights = ratio.clamp(max=SNR_LIMIT) / ratio

    def __call__(
        self, unet: UNet2DConditionModel, latents: torch.Tensor, states: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """The loss of one batch."""
        count, device = len(latents), latents.device
        places = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        steps = (places * len(self.kept)).long()[torch.randperm(count, generator=generator)].to(device)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        kept = self.kept[steps][:, None, None, None]
        noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        error = (unet(noisy, steps, states).sample - noise).square().mean((1, 2, 3))
        return (error * self.weights[steps]).mean()


def train(
    folder: Path, plan: Plan, seed: int, device: str, size: int = 64, channels: tuple[int, ...] = (48, 96, 128)
) -> None:
    """Trains, saving `folder`/unet.pt often; writes the averaged weights to `folder`/unet at the end."""
    cache.make_latents(folder, device)
    cache.make_states(folder, seed, device)
    feed = Feed(folder, seed, size, device)
    unet = make_unet(channels, seed).to(device)
    optimizer = torch.optim.AdamW(unet.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average = Average(unet, 0.999)
    state = State(folder / "unet.pt")
    state.load(unet, average, optimizer, plan)
    loss_of = NoiseLoss(device)
    losses: list[float] = []
    while not plan.done:
        for group in optimizer.param_groups:
            group["lr"] = RATE * cosine(plan.part, hold=0.3) * min(1.0, (plan.step + 1) / 100)
        latents, states = feed.batch(plan.step)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + plan.step)
        loss = loss_of(unet, latents, states, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        average.update(unet)
        plan.step += 1
        losses.append(loss.item())
        if plan.step % 50 == 0:
            note(folder / "unet.csv", {"step": plan.step, "seconds": plan.seconds, "loss": float(np.mean(losses))})
            losses.clear()
        if state.due:
            state.save(unet, average, optimizer, plan)
    state.save(unet, average, optimizer, plan)
    average.copy_to(unet)
    unet.save_pretrained(folder / "unet")
