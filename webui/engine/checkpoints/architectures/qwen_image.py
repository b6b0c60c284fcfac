"""Recognise Qwen-Image's transformers, whose own naming is diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.checkpoints.architectures.base import Form, Names

_AXES = {128: (16, 56, 56)}
"""How a head's width is divided among picture, row and column."""
_PATCH = 2


def recognise(names: Names, config: Mapping[str, Any] | None = None) -> Form | None:
    """The transformer whose tensors these are; Qwen-Image 2.1 has other blocks, the layered one knows more times."""
    image, text, last = (names.shape(f"{name}.weight") for name in ("img_in", "txt_in", "proj_out"))
    norm = names.shape("transformer_blocks.0.attn.norm_q.weight")
    if image is None or text is None or last is None or norm is None or norm[0] not in _AXES:
        return None
    if "transformer_blocks.0.img_mod.1.weight" not in names or "txt_norm.weight" not in names:
        return None
    read = {
        "patch_size": _PATCH,
        "in_channels": image[1],
        "out_channels": last[0] // _PATCH**2,
        "num_layers": names.count("transformer_blocks.{}."),
        "attention_head_dim": norm[0],
        "num_attention_heads": image[0] // norm[0],
        "joint_attention_dim": text[1],
        "axes_dims_rope": list(_AXES[norm[0]]),
    }
    facts = {
        "in_channels": image[1],
        "context_width": text[1],
        "layered": names.has("time_text_embed.addition_t_embedding."),
        "edits": "__index_timestep_zero__" in names,
    }
    return Form("diffusers", read if config is None else config, facts)
