"""Build a network from its form and fill it from a file, each tensor read once and put straight where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers.initialization import no_init_weights

from webui.core.errors import ModelProblem
from webui.engine.layouts.base import Layout, Source, take
from webui.engine.reading.kept import keep, to_type, type_of
from webui.engine.reading.weights import Joined

# More of them wait for each other on small machines, and for the disk on all.
_READERS = 2


def build(make: Callable[[], nn.Module]) -> nn.Module:
    """The network without memory for its weights; buffers that no file holds are computed."""
    # Random numbers for weights without memory would cost as much as all the rest of it.
    with init_empty_weights(include_buffers=False), no_init_weights():
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
    kept: torch.dtype | None = None,
    channels_last: bool = False,
) -> None:
    """Give the network the weights of a file. Raises ModelProblem for a tensor that is missing or of another shape.

    dtype: what it computes in; kept: what its weights are kept in, where that is another type (see `kept.py`).
    channels_last: lay the weights of convolutions out in memory as `torch.channels_last` has them.
    """
    wanted = network.state_dict()
    # Several parameters may be parts of one tensor, which is read once.
    sharing: dict[str, list[tuple[str, Source]]] = {}
    for name in wanted:
        source = layout(name, config)
        sharing.setdefault(source.name, []).append((name, source))

    def read(place: str) -> dict[str, torch.Tensor]:
        shapes = {name: wanted[name].shape for name, _ in sharing[place]}
        last = channels_last and any(len(shape) == 4 for shape in shapes.values())
        # Rounded once, whatever the file has and the device computes in.
        once = kept is not None or any(source.more for _, source in sharing[place])
        tensor = weights.tensor(prefix + place, torch.float32 if once else dtype, channels_last=last)
        taken = {name: take(tensor, source) for name, source in sharing[place]}
        for name, part in taken.items():
            if part.shape != shapes[name]:
                raise ModelProblem(
                    f"{weights.path.name} does not fit: the tensor {prefix}{place} is {tuple(part.shape)} and "
                    f"should be {tuple(shapes[name])}.",
                    field="checkpoint",
                )
        memory = torch.channels_last if last else torch.contiguous_format
        if once:
            taken = {name: to_type(part, type_of(part, kept or dtype, dtype)) for name, part in taken.items()}
        return {name: part.contiguous(memory_format=memory).to(device) for name, part in taken.items()}

    filled: dict[str, torch.Tensor] = {}
    # While one tensor is read the last one is turned into what is wanted and goes to the device.
    with ThreadPoolExecutor(_READERS, "read weights") as pool:
        try:
            for parts in pool.map(read, sharing):
                filled |= parts
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    network.load_state_dict(filled, assign=True, strict=True)
    network.requires_grad_(False)
    network.to(device)
    if kept:
        keep(network, filled, dtype)
