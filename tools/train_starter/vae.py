"""Training the autoencoder: first the whole, then the decoder alone on slightly noisy latents."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from tools.train_starter import data
from tools.train_starter.models import SCALING, make_vae
from tools.train_starter.training import Average, Plan, State, cosine, note

log = logging.getLogger(__name__)
CROPS = ((32, 24), (64, 12), (128, 4))
CROP_ODDS = (0.2, 0.5, 0.3)
DECODER_ALONE = 0.75
HELD_BACK = 64


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """uint8 [n, h, w, 3] as float [n, 3, h, w] in -1 to 1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _batch(pictures: np.ndarray, rng: np.random.Generator, scale: int) -> torch.Tensor:
    side, count = CROPS[int(rng.choice(len(CROPS), p=CROP_ODDS))]
    rows = rng.integers(HELD_BACK, len(pictures), count * scale)
    corner = rng.integers(0, 128 - side + 1, (len(rows), 2))
    crops = [pictures[r, y : y + side, x : x + side] for r, (y, x) in zip(rows, corner, strict=True)]
    return to_tensor(np.stack(crops))


def _distance(out: torch.Tensor, real: torch.Tensor, edges: float) -> torch.Tensor:
    loss = F.l1_loss(out, real) + 2 * F.mse_loss(out, real)
    if edges:
        for axis in (2, 3):
            loss = loss + edges * F.l1_loss(out.diff(dim=axis), real.diff(dim=axis))
    return loss


def _loss(vae: AutoencoderKL, real: torch.Tensor, part: float, generator: torch.Generator) -> torch.Tensor:
    """L1 + 2 MSE + edges + a little KL; in the last part the encoder rests and its latents get noise."""
    if part < DECODER_ALONE:
        posterior = vae.encode(real).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator)
        out = vae.decode(posterior.mean + posterior.std * noise.to(real.device)).sample
        kl = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
        return _distance(out, real, 0.25 if part > 0.1 else 0.0) + 2e-4 * kl
    with torch.no_grad():
        latents = vae.encode(real).latent_dist.mean
        spread = latents.std(dim=(0, 2, 3), keepdim=True)
        amount = 0.2 * torch.rand(len(latents), 1, 1, 1, generator=generator)
        noise = torch.randn(latents.shape, generator=generator) * amount
    return _distance(vae.decode(latents + spread * noise.to(real.device)).sample, real, 0.25)


@torch.no_grad()
def psnr(vae: AutoencoderKL, pictures: np.ndarray) -> float:
    """Mean peak signal-to-noise ratio in dB of decoded means, picture by picture."""
    device = next(vae.parameters()).device
    real = to_tensor(pictures).to(device)
    out = vae.decode(vae.encode(real).latent_dist.mean).sample.clamp(-1, 1)
    return float((10 * torch.log10(4 / (out - real).square().mean((1, 2, 3)))).mean())


@torch.no_grad()
def fold_statistics(vae: AutoencoderKL, pictures: np.ndarray) -> None:
    """Moves the latents' mean and spread into the quantiser convolutions: scaled by 0.18215 they have unit spread."""
    device = next(vae.parameters()).device
    latents = vae.encode(to_tensor(pictures).to(device)).latent_dist.mean
    mean = latents.mean((0, 2, 3))
    spread = latents.std((0, 2, 3))
    channels = len(mean)
    factor = 1 / (SCALING * spread)
    vae.quant_conv.weight[:channels] *= factor[:, None, None, None]
    vae.quant_conv.bias[:channels] = (vae.quant_conv.bias[:channels] - mean) * factor
    vae.quant_conv.bias[channels:] += 2 * factor.log()
    weight = vae.post_quant_conv.weight[:, :, 0, 0].clone()
    vae.post_quant_conv.bias += weight @ mean
    vae.post_quant_conv.weight.copy_((weight / factor)[:, :, None, None])


def train(folder: Path, plan: Plan, seed: int, device: str, scale: int = 1) -> None:
    """Trains, then writes `folder`/vae with folded statistics; `scale` multiplies the batch."""
    pictures = data.pictures(folder)
    vae = make_vae(seed).to(device)
    optimizer = torch.optim.AdamW(vae.parameters(), 1.5e-3, betas=(0.9, 0.99), weight_decay=0.0)
    average = Average(vae, 0.995)
    state = State(folder / "vae.pt")
    state.load(vae, average, optimizer, plan)
    while not plan.done:
        part = plan.part
        rng = np.random.default_rng((seed, plan.step))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + plan.step)
        for row in optimizer.param_groups:
            row["lr"] = 1.5e-3 * cosine(part, last=0.05) * min(1.0, (plan.step + 1) / 20)
        loss = _loss(vae, _batch(pictures, rng, scale).to(device), part, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update(vae)
        plan.step += 1
        if plan.step % 50 == 0:
            row = {"step": plan.step, "seconds": plan.seconds, "loss": loss.item()}
            if plan.step % 200 == 0:
                log.info("vae psnr %.2f", psnr(vae, pictures[:16]))
            note(folder / "vae.csv", row)
        if state.due:
            state.save(vae, average, optimizer, plan)
    state.save(vae, average, optimizer, plan)
    average.copy_to(vae)
    log.info(
        "vae: %d steps, %.0f s, %.2f dB on unseen pictures", plan.step, plan.seconds, psnr(vae, pictures[:HELD_BACK])
    )
    fold_statistics(vae, pictures[HELD_BACK : HELD_BACK + 256])
    vae.save_pretrained(folder / "vae")


def polish(folder: Path, plan: Plan, seed: int, device: str, scale: int = 1) -> None:
    """Trains the decoder of `folder`/vae on, with noisier latents, as the UNet's are; the encoder stays."""
    pictures = data.pictures(folder)
    vae = AutoencoderKL.from_pretrained(folder / "vae").to(device)
    vae.requires_grad_(False)
    decoder = torch.nn.ModuleList([vae.post_quant_conv, vae.decoder]).requires_grad_(True)
    optimizer = torch.optim.AdamW(decoder.parameters(), 6e-4, betas=(0.9, 0.99), weight_decay=0.0)
    average = Average(decoder, 0.998)
    state = State(folder / "decoder.pt")
    state.load(decoder, average, optimizer, plan)
    while not plan.done:
        rng = np.random.default_rng((seed, 11, plan.step))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + plan.step)
        for row in optimizer.param_groups:
            row["lr"] = 6e-4 * cosine(plan.part) * min(1.0, (plan.step + 1) / 50)
        real = _batch(pictures, rng, scale).to(device)
        with torch.no_grad():
            latents = vae.encode(real).latent_dist.mean * SCALING
        amount = 0.3 * torch.rand(len(latents), 1, 1, 1, generator=generator)
        noise = (torch.randn(latents.shape, generator=generator) * amount).to(device)
        loss = _distance(vae.decode((latents + noise) / SCALING).sample, real, 0.25)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        average.update(decoder)
        plan.step += 1
        if plan.step % 50 == 0:
            note(folder / "decoder.csv", {"step": plan.step, "seconds": plan.seconds, "loss": loss.item()})
        if state.due:
            state.save(decoder, average, optimizer, plan)
    state.save(decoder, average, optimizer, plan)
    average.copy_to(decoder)
    log.info("decoder: %d steps, %.0f s, %.2f dB", plan.step, plan.seconds, psnr(vae, pictures[:HELD_BACK]))
    vae.requires_grad_(True).save_pretrained(folder / "vae")
