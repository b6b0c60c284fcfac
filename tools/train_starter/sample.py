"""Pictures from an exported folder without the program: DPM++ 2M with guidance, one seed a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

from tools.train_starter.models import SCALING, noise_schedule
from tools.train_starter.text import states_of
from tools.train_starter.tokenizer import Bpe

BATCH = 30
SCHEDULES = ("Karras", "Exponential", "Uniform")


@dataclass
class Model:
    """The parts of an exported model in float32."""

    bpe: Bpe
    encoder: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Model:
        """Reads a diffusers folder."""
        kind = {"torch_dtype": torch.float32}
        return cls(
            Bpe.load(folder / "tokenizer"),
            CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).to(device).eval(),
            UNet2DConditionModel.from_pretrained(folder / "unet", **kind).to(device).eval(),
            AutoencoderKL.from_pretrained(folder / "vae", **kind).to(device).eval(),
        )

    def states(self, texts: list[str]) -> torch.Tensor:
        """Text states [n, 77, 128]."""
        rows = [self.bpe.padded(self.bpe.encode(text)) for text in texts]
        return states_of(self.encoder, torch.tensor(rows).to(self.encoder.device))


def sigmas(name: str, steps: int) -> np.ndarray:
    """`steps` falling noise levels and a final 0."""
    kept = noise_schedule().alphas_cumprod.double().numpy()
    table = np.sqrt((1 - kept) / kept)
    low, high = table[0], table[-1]
    ramp = np.linspace(0, 1, steps)
    if name == "Karras":
        levels = (high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7
    elif name == "Exponential":
        levels = np.exp(np.log(high) + ramp * (np.log(low) - np.log(high)))
    else:
        places = np.linspace(len(table) - 1, 0, steps)
        levels = np.exp(np.interp(places, np.arange(len(table)), np.log(table)))
    return np.append(levels, 0.0)


class Denoiser:
    """Guided predictions of the clean latent at a noise level."""

    def __init__(self, model: Model, states: torch.Tensor, empty: torch.Tensor, cfg: float) -> None:
        kept = noise_schedule().alphas_cumprod.double().numpy()
        self.logs = np.log(np.sqrt((1 - kept) / kept))
        self.unet, self.cfg = model.unet, cfg
        self.context = torch.cat([empty.expand(len(states), -1, -1), states])

    def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """The clean latent [n, 4, 16, 16] seen in `x` at `sigma`."""
        step = float(np.interp(np.log(sigma), self.logs, np.arange(len(self.logs))))
        scaled = x / (sigma**2 + 1) ** 0.5
        empty, given = self.unet(torch.cat([scaled, scaled]), step, self.context).sample.chunk(2)
        return x - sigma * (empty + self.cfg * (given - empty))


def dpmpp_2m(denoise: Denoiser, x: torch.Tensor, levels: np.ndarray) -> torch.Tensor:
    """The multistep solver of second order (Lu et al., 2022) in the noise level's own scale."""
    earlier, last = None, 0.0
    for now, after in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
        clean = denoise(x, now)
        if after == 0:
            return clean
        step = float(np.log(now / after))
        target = clean
        if earlier is not None:
            ratio = last / step
            target = clean + (clean - earlier) / (2 * ratio)
        x = after / now * x - float(np.expm1(-step)) * target
        earlier, last = clean, step
    return x


@torch.inference_mode()
def pictures(
    model: Model, texts: list[str], seeds: list[int], steps: int = 20, cfg: float = 5.0, schedule: str = "Karras"
) -> np.ndarray:
    """The pictures for `texts`, uint8 [n, 128, 128, 3]; seed i draws the noise of picture i."""
    levels = sigmas(schedule, steps)
    empty = model.states([""])
    out = []
    for start in range(0, len(texts), BATCH):
        part = slice(start, start + BATCH)
        noise = [torch.randn((4, 16, 16), generator=torch.Generator().manual_seed(seed)) for seed in seeds[part]]
        x = torch.stack(noise).to(model.unet.device) * float(levels[0])
        clean = dpmpp_2m(Denoiser(model, model.states(texts[part]), empty, cfg), x, levels)
        decoded = model.vae.decode(clean / SCALING).sample.clamp(-1, 1)
        out.append(((decoded + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(out)
