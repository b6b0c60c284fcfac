"""Stable Diffusion 1: CLIP-L's last states, a UNet that predicts noise or velocity, a factor-8 autoencoder."""

from __future__ import annotations

from torch import nn

from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokens import READING, chunker_of
from webui.engine.families.autoencoder import Autoencoder
from webui.engine.families.base import Purpose
from webui.engine.families.clip_texts import ClipText
from webui.engine.families.unet_model import Prediction, TextStates, UNetModel, prediction_of, schedule_of
from webui.engine.model_schedule import DiscreteSchedule
from webui.engine.reading.base import Reader


class StableDiffusion1(UNetModel):
    """A loaded checkpoint of SD1's form; see LoadedModel for what the methods promise."""

    def __init__(
        self, unet: nn.Module, vae: Autoencoder, text: ClipText, schedule: DiscreteSchedule, prediction: Prediction
    ) -> None:
        super().__init__(unet, vae, (text.network,), schedule, prediction)
        self._text = text

    def chunk_count(self, text: str, purpose: Purpose | None = None) -> int:
        return self._text.chunk_count(text, purpose.reading if purpose else READING)

    def encode(self, text: str, chunks: int, purpose: Purpose | None = None) -> TextStates:
        skip, reading = (purpose.clip_skip, purpose.reading) if purpose else (1, READING)
        return TextStates(self._text.states(text, chunks, skip, reading).to(self.dtype))


def load(checkpoint: Checkpoint, reader: Reader) -> StableDiffusion1:
    """Load a checkpoint of SD1's form. Raises ModelProblem."""
    prediction = prediction_of(checkpoint) or "epsilon"
    schedule = schedule_of(checkpoint)
    text = ClipText(reader.network(checkpoint.parts["text_encoder"]), chunker_of(checkpoint))
    vae = Autoencoder.read(checkpoint.parts["vae"], reader, *latent_scales.SD)
    return StableDiffusion1(reader.network(checkpoint.parts["unet"]), vae, text, schedule, prediction)
