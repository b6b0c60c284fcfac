"""Stable Diffusion 3 and 3.5: two CLIP encoders and T5 beside them, a transformer for text and picture together."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from webui.core.errors import ModelProblem
from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.t5_tokens import SD3_TOKENS
from webui.engine.checkpoints.tokens import Reading, chunker_of
from webui.engine.families.autoencoder import Autoencoder
from webui.engine.families.base import Purpose
from webui.engine.families.clip_texts import ClipText
from webui.engine.families.flow_model import CELL_PIXELS, FlowModel, FlowText, ScheduleAt, Stacked, schedules_of
from webui.engine.families.t5_texts import T5Text
from webui.engine.reading.base import Reader

_SHIFT = 3.0
_TIMESTEPS = 1000.0


class StableDiffusion3(FlowModel):
    """A loaded model; see LoadedModel for what the methods promise."""

    def __init__(
        self,
        transformer: nn.Module,
        vae: Autoencoder,
        clips: tuple[ClipText, ClipText],
        t5: T5Text | None,
        schedule_at: ScheduleAt,
        *,
        projects: bool,
    ) -> None:
        """clips: CLIP-L and OpenCLIP-G. t5: the model works without. projects: CLIP-L's projection counts."""
        texts = (*(clip.network for clip in clips), *((t5.network,) if t5 else ()))
        super().__init__(transformer, vae, texts, schedule_at)
        self._clips, self._t5 = clips, t5
        self._projects = projects
        self._width = int(self._transformer.config.joint_attention_dim)
        self._most_pixels = int(self._transformer.config.pos_embed_max_size) * CELL_PIXELS

    def encode(self, text: str, chunks: int, purpose: Purpose) -> FlowText:
        """See LoadedModel. Raises ModelProblem for a size beyond the model's table of places."""
        if max(purpose.width, purpose.height) > self._most_pixels:
            raise ModelProblem(
                f"This model knows places in pictures of at most {self._most_pixels} pixels a side.",
                field="width" if purpose.width > self._most_pixels else "height",
                remedies=("Lower the size",),
            )
        small, large = self._clips
        small_states, small_end = small.cut(text, projected=self._projects, reading=purpose.reading)
        large_states, large_end = large.cut(text, reading=purpose.reading)
        states = torch.cat([small_states, large_states], dim=-1).to(self.dtype)
        states = functional.pad(states, (0, self._width - states.shape[-1]))
        context = torch.cat([states, self._long(text, purpose.reading)], dim=1)
        return FlowText(context, torch.cat([small_end, large_end], dim=-1).to(self.dtype))

    def _long(self, text: str, reading: Reading) -> Tensor:
        """T5's states (1, 256, width); zeros without it, with which the model was trained too."""
        if self._t5 is None:
            return torch.zeros(1, SD3_TOKENS, self._width, device=self.device, dtype=self.dtype)
        return self._t5.states(text, reading).to(self.dtype)

    def _velocity(self, x: Tensor, sigmas: Tensor, context: Stacked) -> Tensor:
        velocity: Tensor = self._transformer(
            hidden_states=x,
            timestep=sigmas * _TIMESTEPS,
            encoder_hidden_states=context.context,
            pooled_projections=context.pooled,
            return_dict=False,
        )[0]
        return velocity


def load(checkpoint: Checkpoint, reader: Reader) -> StableDiffusion3:
    """Load a checkpoint of SD3's form. Raises ModelProblem."""
    parts = checkpoint.parts
    schedule_at = schedules_of(checkpoint, _SHIFT)
    t5 = T5Text.read(checkpoint, reader, 3, SD3_TOKENS) if "text_encoder_3" in parts else None
    clips = (
        ClipText(reader.network(parts["text_encoder"]), chunker_of(checkpoint), "penultimate"),
        ClipText(reader.network(parts["text_encoder_2"]), chunker_of(checkpoint, "tokenizer_2", pad=0), "penultimate"),
    )
    # Single files of CLIP-L come from other models; SD3 was trained without their projection, and where its own
    # folder has one, it is what diffusers computes with.
    own = parts["text_encoder"].files[0].parent.parent == checkpoint.path
    projects = own and bool(parts["text_encoder"].form.facts["projection"])
    vae = Autoencoder.read(parts["vae"], reader, *latent_scales.SD3)
    return StableDiffusion3(reader.network(parts["transformer"]), vae, clips, t5, schedule_at, projects=projects)
