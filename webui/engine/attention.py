"""Ways to compute attention: applied to a network for a forward pass, and taken back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from webui.core.errors import DarkroomError

Undo = Callable[[], None]
ApplyFunction = Callable[[nn.Module], Undo]
"""What an attention row's `function` names: changes the network, and returns what takes the change back."""

# Largest score matrix that `math` holds at once, in elements.
_SCORES = 2**26


class Processor:
    """How one attention block of a UNet computes, in the block's own form; subclasses bring the product itself.

    The text's keys and values are the same at every step, so they are kept for as long as the same context comes.
    """

    def __init__(self) -> None:
        self._context: Tensor | None = None
        self._text: tuple[Tensor, Tensor] | None = None

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """softmax(query key^T / sqrt(width)) value; all (batch, heads, tokens, width)."""
        raise NotImplementedError

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attention of (batch, tokens, width) to itself or to `encoder_hidden_states`."""
        if attention_mask is not None or attn.spatial_norm is not None or hidden_states.ndim != 3:
            raise DarkroomError("Attention can be chosen for the blocks of UNets only.")
        query = _heads(attn, attn.to_q(hidden_states))
        if encoder_hidden_states is None:
            key, value = _heads(attn, attn.to_k(hidden_states)), _heads(attn, attn.to_v(hidden_states))
        else:
            key, value = self._of_text(attn, encoder_hidden_states)
        answer = self.attend(query, key, value)
        answer = attn.to_out[0](answer.transpose(1, 2).flatten(2))
        if attn.residual_connection:
            answer = answer + hidden_states
        return answer if attn.rescale_output_factor == 1 else answer / attn.rescale_output_factor

    def _of_text(self, attn: Attention, context: Tensor) -> tuple[Tensor, Tensor]:
        if self._text is None or self._context is not context:
            self._text = _heads(attn, attn.to_k(context)), _heads(attn, attn.to_v(context))
            self._context = context
        return self._text


class SdpaProcessor(Processor):
    """By torch's scaled_dot_product_attention, which picks the device's fastest kernel."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(query, key, value)


class MathProcessor(Processor):
    """By plain matrix products, sliced so that the scores never take more than a bounded share of memory."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return _attend(query, key, value)


class _PlainProducts(TorchFunctionMode):
    """While it is entered, torch's scaled_dot_product_attention is plain matrix products, in this thread."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        # What asks for more than a mask is left to torch.
        if func is functional.scaled_dot_product_attention and not any(given.get(name) for name in _EXTRAS):
            return _attend(*args, **{name: value for name, value in given.items() if name not in _EXTRAS})
        return func(*args, **given)


_EXTRAS = ("dropout_p", "is_causal", "scale", "enable_gqa")


def sdpa(network: nn.Module) -> Undo:
    """torch's scaled_dot_product_attention."""
    if isinstance(network, UNet2DConditionModel):
        return _set(network, SdpaProcessor)
    _check(network)
    # It is how diffusers' transformers compute by themselves.
    return lambda: None


def math_products(network: nn.Module) -> Undo:
    """Plain matrix products, on any device."""
    if isinstance(network, UNet2DConditionModel):
        return _set(network, MathProcessor)
    _check(network)
    forward = network.forward

    def with_plain_products(*args: Any, **kwargs: Any) -> Any:
        with _PlainProducts():
            return forward(*args, **kwargs)

    network.forward = with_plain_products
    return lambda: network.__delattr__("forward")


def _check(network: nn.Module) -> None:
    if not isinstance(network, ModelMixin):
        raise DarkroomError(f"Attention cannot be chosen for a network of the kind {type(network).__name__}.")


def _set(network: UNet2DConditionModel, kind: type[Processor]) -> Undo:
    before = dict(network.attn_processors)
    network.set_attn_processor({name: kind() for name in before})
    # A copy, since diffusers empties the dict it is given.
    return lambda: network.set_attn_processor(dict(before))


def _heads(attn: Attention, tokens: Tensor) -> Tensor:
    """(batch, tokens, heads * width) as (batch, heads, tokens, width)."""
    return tokens.unflatten(-1, (attn.heads, -1)).transpose(1, 2)


def _attend(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """softmax(query key^T / sqrt(width)) value for (batch, heads, tokens, width), a slice of the queries at a time.

    attn_mask: broadcastable to the scores; True or 0 where a query may look, False or -inf where not.
    """
    scale = 1 / math.sqrt(query.shape[-1])
    rows = max(1, _SCORES // (query.shape[0] * query.shape[1] * key.shape[2]))
    turned = key.transpose(-1, -2)
    parts = []
    for first in range(0, query.shape[2], rows):
        scores = (query[:, :, first : first + rows] * scale) @ turned
        if attn_mask is not None:
            mask = attn_mask if attn_mask.shape[-2] == 1 else attn_mask[..., first : first + rows, :]
            scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
        parts.append(scores.softmax(dim=-1) @ value)
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
