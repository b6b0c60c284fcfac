"""The naming of Wan 2.1's program, in which single files have its autoencoder and Qwen-Image's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source

_STARTS = {
    "quant_conv.": "conv1.",
    "post_quant_conv.": "conv2.",
    "encoder.conv_in.": "encoder.conv1.",
    "decoder.conv_in.": "decoder.conv1.",
}
_MIDDLE = {"resnets.0": "0", "attentions.0": "1", "resnets.1": "2"}
_RESNET = {
    "norm1": "residual.0",
    "conv1": "residual.2",
    "norm2": "residual.3",
    "conv2": "residual.6",
    "conv_shortcut": "shortcut",
}
_INSIDE = re.compile(r"(encoder|decoder)\.(mid_block|down_blocks|up_blocks)\.((?:resnets|attentions)\.\d|\d+)\.(.+)")
_UP = re.compile(r"(resnets|upsamplers)\.(\d+)\.(.+)")


def vae(name: str, config: Mapping[str, Any]) -> Source:
    """Where a parameter of `AutoencoderKLQwenImage` lies."""
    for ours, theirs in _STARTS.items():
        if name.startswith(ours):
            return Source(theirs + name[len(ours) :])
    found = _INSIDE.fullmatch(name)
    if found is None:
        return Source(name.replace(".norm_out.", ".head.0.").replace(".conv_out.", ".head.2."))
    half, way, place, rest = found[1], found[2], found[3], found[4]
    if way == "mid_block":
        return Source(f"{half}.middle.{_MIDDLE[place]}.{_resnet(rest)}")
    if way == "down_blocks":
        return Source(f"{half}.downsamples.{place}.{_resnet(rest)}")
    up = _UP.fullmatch(rest)
    assert up is not None
    # A level of the way up has one residual block more than on the way down, and then what enlarges.
    blocks = int(config.get("num_res_blocks", 2)) + 1
    number = int(place) * (blocks + 1) + (int(up[2]) if up[1] == "resnets" else blocks)
    return Source(f"{half}.upsamples.{number}.{_resnet(up[3])}")


def _resnet(rest: str) -> str:
    inside, dot, kind = rest.partition(".")
    return f"{_RESNET.get(inside, inside)}{dot}{kind}"
