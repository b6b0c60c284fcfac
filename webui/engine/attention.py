"""Ways to compute attention: applied to a network for a forward pass, and taken back."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

from webui.core.errors import DarkroomError

Undo = Callable[[], None]
ApplyFunction = Callable[[nn.Module], Undo]
"""What an attention row's `function` names: changes the network, and returns what takes the change back."""

# Largest score matrix that `math` holds at once, in elements.
_SCORES = 2**26


class MathProcessor:
    """Attention by plain matrix products, sliced so that the scores never take more than a bounded share of memory."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attention of (batch, tokens, width) to itself or to `encoder_hidden_states`, in the block's own form."""
        if attention_mask is not None or attn.spatial_norm is not None or hidden_states.ndim != 3:
            raise DarkroomError("The attention 'math' serves the blocks of UNets only.")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            part.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for part in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        answer = _attend(query, key, value)
        answer = attn.to_out[0](answer.transpose(1, 2).flatten(2))
        if attn.residual_connection:
            answer = answer + hidden_states
        scaled: Tensor = answer / attn.rescale_output_factor
        return scaled


def sdpa(network: nn.Module) -> Undo:
    """torch's scaled_dot_product_attention, which picks the device's fastest kernel."""
    return _set(network, AttnProcessor2_0())


def math_products(network: nn.Module) -> Undo:
    """Plain matrix products, on any device."""
    return _set(network, MathProcessor())


def _set(network: nn.Module, processor: Callable[..., Tensor]) -> Undo:
    if not isinstance(network, UNet2DConditionModel):
        raise DarkroomError(f"Attention cannot be chosen for a network of the kind {type(network).__name__}.")
    before = dict(network.attn_processors)
    network.set_attn_processor(processor)
    return lambda: network.set_attn_processor(before)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T / sqrt(width)) value for (batch, heads, tokens, width), a slice of the queries at a time."""
    scale = 1 / math.sqrt(query.shape[-1])
    rows = max(1, _SCORES // (query.shape[0] * query.shape[1] * key.shape[2]))
    turned = key.transpose(-1, -2)
    parts = [((part * scale) @ turned).softmax(dim=-1) @ value for part in torch.split(query, rows, dim=2)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
