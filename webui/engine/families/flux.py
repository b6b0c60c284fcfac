"""Flux.1 dev and schnell: CLIP-L's pooled state and T5's states, a transformer that takes four cells as one token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.t5_tokens import flux_tokens
from webui.engine.checkpoints.tokens import chunker_of
from webui.engine.families.autoencoder import Autoencoder
from webui.engine.families.base import Purpose
from webui.engine.families.clip_texts import ClipText
from webui.engine.families.flow_model import FlowModel, FlowText, ScheduleAt, SizeShift, Stacked, schedules_of
from webui.engine.families.t5_texts import T5Text
from webui.engine.reading.base import Reader

_SCHNELL_SHIFT = 1.0
# What dev is told where a request does not say: the value it was published with.
_GUIDANCE = 3.5


class Flux(FlowModel):
    """A loaded model; see LoadedModel for what the methods promise."""

    def __init__(
        self, transformer: nn.Module, vae: Autoencoder, clip: ClipText, t5: T5Text, schedule_at: ScheduleAt
    ) -> None:
        super().__init__(transformer, vae, (clip.network, t5.network), schedule_at)
        self._clip, self._t5 = clip, t5
        self._guided = bool(self._transformer.config.guidance_embeds)

    def encode(self, text: str, chunks: int, purpose: Purpose) -> FlowText:
        _, pooled = self._clip.cut(text, projected=False, reading=purpose.reading)
        guidance = (purpose.distilled_cfg_scale or _GUIDANCE) if self._guided else None
        states = self._t5.states(text, purpose.reading)
        return FlowText(states.to(self.dtype), pooled.to(self.dtype), guidance)

    def _velocity(self, x: Tensor, sigmas: Tensor, context: Stacked) -> Tensor:
        height, width = x.shape[-2] // 2, x.shape[-1] // 2
        velocity: Tensor = self._transformer(
            hidden_states=pack(x),
            timestep=sigmas,
            guidance=context.guidance,
            encoder_hidden_states=context.context,
            pooled_projections=context.pooled,
            txt_ids=torch.zeros(context.context.shape[1], 3, device=x.device),
            img_ids=places(height, width, x.device),
            return_dict=False,
        )[0]
        return unpack(velocity, height, width)


def pack(latents: Tensor) -> Tensor:
    """Latents (rows, channels, 2 h, 2 w) as tokens (rows, h w, 4 channels), a token for each square of four cells."""
    squares = latents.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2))
    return squares.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """What `pack` packed; height and width in tokens."""
    squares = tokens.unflatten(1, (height, width)).unflatten(-1, (-1, 2, 2))
    return squares.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def places(height: int, width: int, device: torch.device) -> Tensor:
    """(height width, 3): of each token 0, its row and its column."""
    rows = torch.arange(height, device=device, dtype=torch.float32).view(-1, 1).expand(-1, width)
    columns = torch.arange(width, device=device, dtype=torch.float32).expand(height, -1)
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).flatten(0, 1)


def load(checkpoint: Checkpoint, reader: Reader) -> Flux:
    """Load a checkpoint of Flux.1's form. Raises ModelProblem."""
    parts = checkpoint.parts
    guided = bool(parts["transformer"].form.facts["guidance"])
    schedule_at = schedules_of(checkpoint, SizeShift() if guided else _SCHNELL_SHIFT)
    t5 = T5Text.read(checkpoint, reader, 2, flux_tokens(checkpoint))
    clip = ClipText(reader.network(parts["text_encoder"]), chunker_of(checkpoint))
    vae = Autoencoder.read(parts["vae"], reader, *latent_scales.FLUX)
    return Flux(reader.network(parts["transformer"]), vae, clip, t5, schedule_at)
