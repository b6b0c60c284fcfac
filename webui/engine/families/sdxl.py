"""Stable Diffusion XL, base and refiner: two CLIP encoders' states side by side, and labels of size and crop."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokens import chunker_of
from webui.engine.families.autoencoder import Autoencoder
from webui.engine.families.base import Purpose
from webui.engine.families.clip_texts import ClipText
from webui.engine.families.unet_model import Prediction, TextStates, UNetModel, prediction_of, schedule_of
from webui.engine.model_schedule import DiscreteSchedule
from webui.engine.reading.base import Reader

# How beautiful the refiner is told that a picture is, from 1 to 10: A1111's values for the prompt and the negative one.
_BEAUTY, _NEGATIVE_BEAUTY = 6.0, 2.5


class StableDiffusionXL(UNetModel):
    """A loaded base model or refiner; see LoadedModel for what the methods promise."""

    def __init__(
        self,
        unet: nn.Module,
        vae: Autoencoder,
        texts: tuple[ClipText, ...],
        schedule: DiscreteSchedule,
        prediction: Prediction,
    ) -> None:
        """texts: of the base CLIP-L and OpenCLIP-G, of the refiner OpenCLIP-G alone."""
        super().__init__(unet, vae, tuple(text.network for text in texts), schedule, prediction)
        self._texts = texts
        self._refines = len(texts) == 1

    def chunk_count(self, text: str, purpose: Purpose) -> int:
        return max(one.chunk_count(text, purpose.reading) for one in self._texts)

    def encode(self, text: str, chunks: int, purpose: Purpose) -> TextStates:
        reading = purpose.reading
        states, pooled = self._texts[-1].states_and_pooled(text, chunks, reading)
        before = (one.states(text, chunks, reading=reading) for one in self._texts[:-1])
        context = torch.cat([*before, states], dim=-1)
        if purpose.negative and not text.strip() and not self._refines:
            # The base was trained with zeros for no text at all.
            context, pooled = torch.zeros_like(context), torch.zeros_like(pooled)
        ids = self._labels(purpose)
        return TextStates(context.to(self.dtype), pooled.to(self.dtype), ids)

    def _labels(self, purpose: Purpose) -> Tensor:
        """Size of the original and place of its crop, then the size wanted, or for the refiner the beauty."""
        width, height = float(purpose.width), float(purpose.height)
        beauty = _NEGATIVE_BEAUTY if purpose.negative else _BEAUTY
        last = (beauty,) if self._refines else (height, width)
        values = (height, width, 0.0, 0.0, *last)
        return torch.tensor([values], device=self.device, dtype=self.dtype)


def load_base(checkpoint: Checkpoint, reader: Reader) -> StableDiffusionXL:
    """Load a base model or what was made from one. Raises ModelProblem."""
    large = ClipText(reader.network(checkpoint.parts["text_encoder"]), chunker_of(checkpoint), "penultimate")
    return _load(checkpoint, reader, (large,))


def load_refiner(checkpoint: Checkpoint, reader: Reader) -> StableDiffusionXL:
    """Load a refiner. Raises ModelProblem."""
    return _load(checkpoint, reader, ())


def _load(checkpoint: Checkpoint, reader: Reader, before: tuple[ClipText, ...]) -> StableDiffusionXL:
    prediction = prediction_of(checkpoint) or "epsilon"
    schedule = schedule_of(checkpoint, "sdxl")
    network = reader.network(checkpoint.parts["text_encoder_2"])
    texts = (*before, ClipText(network, chunker_of(checkpoint, "tokenizer_2", pad=0), "penultimate", len(before)))
    vae = Autoencoder.read(checkpoint.parts["vae"], reader, *latent_scales.SDXL)
    return StableDiffusionXL(reader.network(checkpoint.parts["unet"]), vae, texts, schedule, prediction)
