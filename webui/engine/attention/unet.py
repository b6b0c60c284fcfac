"""Attention in UNets: processors that compute by a given backend, and keep the text's keys and values."""

from __future__ import annotations

from collections.abc import Callable

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor

from webui.core.errors import DarkroomError
from webui.engine.attention.base import Attend
from webui.engine.attention.shortcuts import WHOLE, Shortcuts, Shortened


class Processor:
    """How one attention block of a UNet computes, in the block's own form.

    The text's keys and values are the same at every step, so they are kept for as long as the same context comes.
    """

    def __init__(self, attend: Attend, shortened: Shortened | None = None) -> None:
        self._attend = attend
        self._shortened = shortened
        self._context: Tensor | None = None
        self._text: tuple[Tensor, Tensor] | None = None

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attention of (batch, tokens, width) to itself or to `encoder_hidden_states`.

        attention_mask: to be added to the scores, (batch or batch * heads, 1, key tokens), in diffusers' form.
        """
        if attn.spatial_norm is not None or hidden_states.ndim != 3:
            raise DarkroomError("Attention can be chosen for the blocks of UNets only.")
        short = self._shortened if encoder_hidden_states is None and attention_mask is None else None
        tokens, back = (hidden_states, None) if short is None else short.enter(hidden_states)
        if encoder_hidden_states is not None:
            query = _heads(attn, attn.to_q(tokens))
            key, value = self._of_text(attn, encoder_hidden_states)
        elif attn.fused_projections and not attn.is_cross_attention:
            query, key, value = (_heads(attn, part) for part in attn.to_qkv(tokens).chunk(3, dim=-1))
        else:
            query = _heads(attn, attn.to_q(tokens))
            key, value = _keys_and_values(attn, tokens)
        mask = None
        if attention_mask is not None:
            mask = attn.prepare_attention_mask(attention_mask, key.shape[2], query.shape[0])
            mask = mask.unflatten(0, (query.shape[0], attn.heads))
        answer = self._attend(query, key, value, mask, attn.scale)
        answer = attn.to_out[0](answer.transpose(1, 2).flatten(2))
        if back is not None:
            answer = back(answer)
        if attn.residual_connection:
            answer = answer + hidden_states
        return answer if attn.rescale_output_factor == 1 else answer / attn.rescale_output_factor

    def _of_text(self, attn: Attention, context: Tensor) -> tuple[Tensor, Tensor]:
        if self._text is None or self._context is not context:
            self._text = _keys_and_values(attn, context)
            self._context = context
        return self._text


def set_processors(network: UNet2DConditionModel, attend: Attend, shortcuts: Shortcuts = WHOLE) -> Callable[[], None]:
    """Have all blocks compute by `attend`, and self-attention with these shortcuts.

    What is returned puts back what was there.
    """
    before = dict(network.attn_processors)
    shortened = Shortened(shortcuts, network) if shortcuts != WHOLE else None
    network.set_attn_processor({name: Processor(attend, shortened) for name in before})

    def take_back() -> None:
        if shortened is not None:
            shortened.remove()
        # A copy, since diffusers empties the dict it is given.
        network.set_attn_processor(dict(before))

    return take_back


def _heads(attn: Attention, tokens: Tensor) -> Tensor:
    """(batch, tokens, heads * width) as (batch, heads, tokens, width)."""
    return tokens.unflatten(-1, (attn.heads, -1)).transpose(1, 2)


def _keys_and_values(attn: Attention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """By heads, of tokens that are attended to."""
    if attn.fused_projections:
        key, value = attn.to_kv(tokens).chunk(2, dim=-1)
    else:
        key, value = attn.to_k(tokens), attn.to_v(tokens)
    return _heads(attn, key), _heads(attn, value)
