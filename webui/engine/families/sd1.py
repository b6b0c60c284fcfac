"""Stable Diffusion 1: CLIP text in chunks of 75 tokens, a UNet that predicts noise or velocity, a factor-8 VAE."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel
from transformers.utils import logging as transformers_logging

from webui.core.errors import BadNumbers, ModelProblem
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.identify import read_json
from webui.engine.checkpoints.tokens import load_chunker
from webui.engine.device import column, free_cache, is_out_of_memory
from webui.engine.model_schedule import DiscreteSchedule

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TextStates:
    """The text encoder's last hidden states of one text: (1, tokens, width), in the model's dtype, on its device."""

    context: Tensor

    @property
    def size_bytes(self) -> int:
        return self.context.numel() * self.context.element_size()


class StableDiffusion1:
    """A loaded checkpoint of SD1's form; see LoadedModel for what the methods promise."""

    latent_factor = 8

    def __init__(
        self, unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, folder: Path
    ) -> None:
        self.denoiser = unet
        self.device, self.dtype = unet.device, unet.dtype
        self.latent_channels = int(unet.config.in_channels)
        self._vae = vae
        self._text_encoder = text_encoder
        self._chunker = load_chunker(folder / "tokenizer")
        self._scaling = float(vae.config.scaling_factor)
        self.schedule, self._velocity = _read_schedule(folder / "scheduler" / "scheduler_config.json")
        self.size_bytes = sum(
            p.numel() * p.element_size() for part in (unet, vae, text_encoder) for p in part.parameters()
        )

    def chunk_count(self, text: str) -> int:
        return len(self._chunker.chunks(text))

    def encode(self, text: str, chunks: int, width: int = 0, height: int = 0) -> TextStates:
        own = self._chunker.chunks(text)
        padded = [self._chunker.padded(chunk) for chunk in own + [[]] * (chunks - len(own))]
        # One forward pass a chunk: a chunk's numbers then never depend, to the last bit, on what is encoded beside it.
        states = [self._text_encoder(torch.tensor([tokens], device=self.device)).last_hidden_state for tokens in padded]
        return TextStates(torch.cat(states, dim=1).to(self.dtype))

    def stack(self, rows: Sequence[TextStates]) -> Tensor:
        # Repeating all states of a text changes no cross-attention.
        lengths = [row.context.shape[1] for row in rows]
        common = math.lcm(*lengths)
        return torch.cat([row.context.repeat(1, common // n, 1) for row, n in zip(rows, lengths, strict=True)])

    def predict(self, x: Tensor, sigmas: Sequence[float], context: Tensor) -> Tensor:
        first = sigmas[0]
        if all(s == first for s in sigmas):
            sigma: Any = first
            scale: Any = 1 / math.sqrt(first * first + 1)
            timesteps = column([self.schedule.timestep(first)], self.device)
        else:
            known = {s: self.schedule.timestep(s) for s in set(sigmas)}
            timesteps = column([known[s] for s in sigmas], self.device)
            sigma = column(sigmas, self.device).view(-1, 1, 1, 1)
            scale = torch.rsqrt(sigma * sigma + 1)
        inputs = (x * scale).to(self.dtype)
        output = self.denoiser(inputs, timesteps, encoder_hidden_states=context, return_dict=False)[0].float()
        if self._velocity:
            denoised: Tensor = x * (scale * scale) - output * (sigma * scale)
        else:
            denoised = x - output * sigma
        return denoised

    def decode(self, latents: Tensor) -> Tensor:
        pictures = []
        for latent in torch.split(latents, 1):
            decoded = self._decode_one((latent / self._scaling).to(self._vae.dtype)).float()
            if not bool(torch.isfinite(decoded).all()):
                raise BadNumbers(
                    "The autoencoder answered with values that are no numbers.",
                    remedies=("Compute in full precision (--no-half)", "Use another checkpoint"),
                )
            scaled = decoded.mul_(127.5).add_(127.5).round_().clamp_(0, 255)
            pictures.append(scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu())
        return torch.cat(pictures)

    def _decode_one(self, latent: Tensor) -> Tensor:
        """The decoder's answer; by tiles when memory runs out, which costs time and, at seams, a shade."""
        try:
            whole: Tensor = self._vae.decode(latent, return_dict=False)[0]
            return whole
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        log.warning("Out of memory while decoding; going on by tiles.")
        free_cache(self.device)
        tiled: Tensor = self._vae.tiled_decode(latent, return_dict=False)[0]
        return tiled


def load(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> StableDiffusion1:
    """Load a diffusers folder of SD1's form. Raises ModelProblem."""
    # fp16 overflows in SD1's autoencoder, which gives black pictures.
    vae_dtype = torch.float32 if dtype == torch.float16 else dtype
    transformers_logging.disable_progress_bar()
    common: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "variant": checkpoint.variant}
    try:
        unet = UNet2DConditionModel.from_pretrained(checkpoint.path / "unet", dtype=dtype, **common)
        vae = AutoencoderKL.from_pretrained(checkpoint.path / "vae", dtype=vae_dtype, **common)
        text_encoder = CLIPTextModel.from_pretrained(checkpoint.path / "text_encoder", dtype=dtype, **common)
    except (OSError, ValueError, RuntimeError, KeyError, json.JSONDecodeError) as error:
        log.debug("%s failed to load.", checkpoint.path, exc_info=True)
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        # Guests read it too, and no path of this machine is theirs to know.
        sentence = said.replace(str(checkpoint.path), checkpoint.name)[:300]
        raise ModelProblem(f"{checkpoint.name} could not be loaded: {sentence}", field="checkpoint") from error
    for part in (unet, vae, text_encoder):
        part.requires_grad_(False).eval().to(device)
    if device.type != "mps":
        # Measured on a CPU with the starter: 6 % less time a forward pass of 32 rows, 14 % less a decoded picture.
        unet.to(memory_format=torch.channels_last)
        vae.to(memory_format=torch.channels_last)
    return StableDiffusion1(unet, vae, text_encoder, checkpoint.path)


def _read_schedule(path: Path) -> tuple[DiscreteSchedule, bool]:
    config = read_json(path)
    kind = config.get("prediction_type", "epsilon")
    if kind not in ("epsilon", "v_prediction"):
        raise ModelProblem(f"The model predicts '{kind}', which is not known here.", field="checkpoint")
    first, last = float(config.get("beta_start", 0.00085)), float(config.get("beta_end", 0.012))
    count = int(config.get("num_train_timesteps", 1000))
    spacing = config.get("beta_schedule", "scaled_linear")
    if spacing != "scaled_linear" or config.get("trained_betas") or config.get("rescale_betas_zero_snr"):
        raise ModelProblem(f"The model's noise schedule ('{spacing}') is none that is known here.", field="checkpoint")
    return DiscreteSchedule.scaled_linear(first, last, count), kind == "v_prediction"
