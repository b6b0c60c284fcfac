"""Stable Diffusion 2: OpenCLIP-H's states before the last layer; of what it predicts its files say nothing."""

from __future__ import annotations

import torch

from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokens import chunker_of
from webui.engine.families.autoencoder import Autoencoder
from webui.engine.families.clip_texts import ClipText, without_last_layer
from webui.engine.families.sd1 import StableDiffusion1
from webui.engine.families.unet_model import TextStates, prediction_of, schedule_of
from webui.engine.reading.base import Reader

# At the last timestep a model that predicts noise gives its input back, and one that predicts velocity does not: on a
# flat input its answer lies below by more than this (A1111's test, semantics of its checkpoint loader).
_VELOCITY_BELOW = -1.0


def load(checkpoint: Checkpoint, reader: Reader) -> StableDiffusion1:
    """Load a checkpoint of SD2's form. Raises ModelProblem."""
    schedule = schedule_of(checkpoint)
    part = checkpoint.parts["text_encoder"]
    # OpenCLIP's own tokenizer fills chunks up with the token 0.
    text = ClipText(reader.network(part, config=without_last_layer(part)), chunker_of(checkpoint, pad=0))
    vae = Autoencoder.read(checkpoint.parts["vae"], reader, *latent_scales.SD)
    unet = reader.network(checkpoint.parts["unet"])
    prediction = prediction_of(checkpoint, None)
    if prediction is None:
        model = StableDiffusion1(unet, vae, text, schedule, "epsilon")
        prediction = "v_prediction" if _predicts_velocity(model) else "epsilon"
    return StableDiffusion1(unet, vae, text, schedule, prediction)


@torch.inference_mode()
def _predicts_velocity(model: StableDiffusion1) -> bool:
    width = int(model._unet.config.cross_attention_dim)
    states = TextStates(torch.full((1, 2, width), 0.5, device=model.device, dtype=model.dtype))
    x = torch.full((1, int(model._unet.config.in_channels), 8, 8), 0.5, device=model.device, dtype=model.dtype)
    last = torch.tensor([float(len(model.schedule.sigmas) - 1)], device=model.device)
    answer = model._ask(x, last, states.context, None)
    return float((answer - 0.5).mean()) < _VELOCITY_BELOW
