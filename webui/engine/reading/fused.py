"""Fused projections: of a UNet's attention, queries, keys and values come from one product in place of three."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from webui.engine.reading.kept import KeptTensor


def fuse_projections(network: nn.Module) -> None:
    """Fuse a UNet's; other networks stay as they are.

    As diffusers' `fuse_qkv_projections` names it: `to_qkv` where tokens attend to themselves, `to_kv` where they attend
    to a text. Unlike there, what went into them is dropped at once, so that the weights stay in memory once. Only
    processors that know of it compute such layers afterwards (engine/attention/unet.py), and whatever wants to change
    `to_q`, `to_k` and `to_v`, as a LoRA does, must do so before, or be refused: there is no way back but reading the
    network again.
    """
    if not isinstance(network, UNet2DConditionModel):
        return
    for module in network.modules():
        if isinstance(module, Attention):
            _fuse(module)


def _fuse(layer: Any) -> None:
    name, parts = ("to_kv", ("to_k", "to_v")) if layer.is_cross_attention else ("to_qkv", ("to_q", "to_k", "to_v"))
    projections: list[nn.Linear] = [getattr(layer, part) for part in parts]
    biases = [projection.bias for projection in projections if projection.bias is not None]
    with torch.device("meta"):
        fused = nn.Linear(projections[0].in_features, sum(p.out_features for p in projections), bias=bool(biases))
    fused.weight = _joined([projection.weight for projection in projections])
    if biases:
        fused.bias = _joined(biases)
    setattr(layer, name, fused.eval())
    for part in parts:
        delattr(layer, part)
    layer.fused_projections = True


def _joined(weights: Sequence[Tensor]) -> nn.Parameter:
    first = weights[0]
    if not isinstance(first, KeptTensor):
        return nn.Parameter(torch.cat([weight.detach() for weight in weights]), requires_grad=False)
    # In bytes, since not everything is known of 8-bit types everywhere.
    kept = [weight.kept.view(torch.uint8) for weight in weights if isinstance(weight, KeptTensor)]
    return nn.Parameter(KeptTensor(torch.cat(kept).view(first.kept.dtype), first.dtype), requires_grad=False)
