"""Build a network from its form and fill it from a file, each tensor read once and put straight where it belongs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn

from webui.core.errors import ModelProblem
from webui.engine.layouts.base import Layout, take
from webui.engine.reading.weights import Joined


def build(make: Callable[[], nn.Module]) -> nn.Module:
    """The network without memory for its weights; buffers that no file holds are computed."""
    with init_empty_weights(include_buffers=False):
        return make().eval()


def fill(
    network: nn.Module,
    weights: Joined,
    layout: Layout,
    config: Mapping[str, Any],
    *,
    prefix: str = "",
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Give the network the weights of a file. Raises ModelProblem for a tensor that is missing or of another shape."""
    wanted = network.state_dict()
    sources = {name: layout(name, config) for name in wanted}
    uses = Counter(source.name for source in sources.values())
    filled = {}
    opened: dict[str, torch.Tensor] = {}
    for name, place in wanted.items():
        source = sources[name]
        # Several parameters may be parts of one tensor: it is read for the first of them and kept until the last.
        if source.name not in opened:
            opened[source.name] = weights.tensor(prefix + source.name, dtype)
        tensor = take(opened[source.name], source)
        uses[source.name] -= 1
        if not uses[source.name]:
            del opened[source.name]
        if tensor.shape != place.shape:
            raise ModelProblem(
                f"{weights.path.name} does not fit: the tensor {prefix}{source.name} is {tuple(tensor.shape)} and "
                f"should be {tuple(place.shape)}.",
                field="checkpoint",
            )
        filled[name] = tensor.contiguous().to(device)
    network.load_state_dict(filled, assign=True, strict=True)
    network.requires_grad_(False)
    network.to(device)
