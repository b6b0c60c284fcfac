"""Z-Image, base and Turbo: Qwen3's states of a prompt, a transformer that takes texts of any lengths side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from webui.core.errors import ModelProblem
from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.forms.flow import Z_IMAGE_SHIFT
from webui.engine.checkpoints.qwen3_tokens import QWEN3, prompt_tokens
from webui.engine.checkpoints.tokenizer_files import tokenizer_for
from webui.engine.families.autoencoder import Autoencoder
from webui.engine.families.base import Purpose
from webui.engine.families.flow_model import FlowModel, ScheduleAt, schedules_of
from webui.engine.reading.base import Reader, wide


@dataclass(frozen=True, slots=True, eq=False)
class QwenText:
    """What a text is to the model: `states` (tokens, width), as many as it has tokens."""

    states: Tensor

    @property
    def size_bytes(self) -> int:
        return self.states.numel() * self.states.element_size()


class ZImage(FlowModel):
    """A loaded model; see LoadedModel for what the methods promise."""

    def __init__(
        self,
        transformer: nn.Module,
        vae: Autoencoder,
        text_encoder: nn.Module,
        tokenizer: Tokenizer,
        schedule_at: ScheduleAt,
    ) -> None:
        super().__init__(transformer, vae, (text_encoder,), schedule_at)
        self._text_encoder: Any = text_encoder
        self._tokenizer = tokenizer
        # It makes its table of places at the first call, and moves it to the device after that: two threads at once
        # could see it half done.
        self._transformer.rope_embedder(torch.zeros(1, 3, dtype=torch.int32, device=self.device))

    def encode(self, text: str, chunks: int, purpose: Purpose) -> QwenText:
        tokens = torch.tensor([prompt_tokens(self._tokenizer, text)], device=self.device)
        answer = self._text_encoder(input_ids=tokens, output_hidden_states=True, use_cache=False)
        # Those before the last layer.
        return QwenText(answer.hidden_states[-2][0].to(self.dtype))

    def stack(self, rows: Sequence[Any]) -> Any:
        return [row.states for row in rows]

    def _velocity(self, x: Tensor, sigmas: Tensor, context: Any) -> Tensor:
        # Its time runs from noise (0) to the clean picture (1), and so does the velocity that it answers with.
        answer = self._transformer(list(x.unsqueeze(2).unbind()), 1.0 - sigmas, context, return_dict=False)[0]
        return -torch.stack(answer).squeeze(2)


def load(checkpoint: Checkpoint, reader: Reader) -> ZImage:
    """Load a checkpoint of Z-Image's form. Raises ModelProblem."""
    parts, dtype = checkpoint.parts, wide(reader)
    tokenizer = tokenizer_for(checkpoint, "tokenizer", QWEN3)
    text_encoder = reader.network(parts["text_encoder"], dtype=dtype)
    vae = Autoencoder.read(parts["vae"], reader, *latent_scales.FLUX)
    transformer = reader.network(parts["transformer"], dtype=dtype)
    return ZImage(transformer, vae, text_encoder, tokenizer, _schedules(checkpoint))


def _schedules(checkpoint: Checkpoint) -> ScheduleAt:
    """The noise levels of the sidecar's `shift`, else of the folder, else of Turbo. Raises ModelProblem."""
    said = checkpoint.defaults.get("shift")
    if said is None:
        return schedules_of(checkpoint, Z_IMAGE_SHIFT)
    if not isinstance(said, int | float) or isinstance(said, bool) or said <= 0:
        raise ModelProblem("The shift in its darkroom.json is no number above 0.", field="checkpoint")
    return schedules_of(replace(checkpoint, scheduler={}), float(said))
