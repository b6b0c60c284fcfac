"""Attention in transformers: while their forward runs, torch's attention of this thread is a given backend's.

diffusers' own choice (set_attention_backend) is not used: it reaches only those processors that dispatch, and it
changes a default of the whole process, so two models could not differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from webui.engine.attention.base import Attend


class _Replaced(TorchFunctionMode):
    """While it is entered, torch's scaled_dot_product_attention is `attend`, in this thread."""

    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self._attend = attend

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **given)
        return self._attention(*args, **given)

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if dropout_p or is_causal or query.ndim != 4:
            # No denoiser asks for it.
            return functional.scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
        if enable_gqa and key.shape[1] != query.shape[1]:
            repeats = query.shape[1] // key.shape[1]
            key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
        return self._attend(query, key, value, attn_mask, scale)


def replace_attention(network: nn.Module, attend: Attend) -> Callable[[], None]:
    """Have the network's forward compute attention by `attend`; what is returned takes it back."""
    forward = network.forward
    # Somebody else may have put a forward of its own before the class's.
    own = network.__dict__.get("forward")

    def with_attention(*args: Any, **kwargs: Any) -> Any:
        with _Replaced(attend):
            return forward(*args, **kwargs)

    def take_back() -> None:
        if own is None:
            del network.forward
        else:
            network.forward = own

    network.forward = with_attention
    return take_back
