"""Read one network: made from its form without memory, then filled from its files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from webui.core.errors import DarkroomError, ModelProblem, first_line
from webui.core.registry import Architecture
from webui.engine.checkpoints.parts import Part
from webui.engine.device import is_out_of_memory
from webui.engine.layouts.base import Layout
from webui.engine.reading.builders_base import Build
from webui.engine.reading.modules import build, fill
from webui.engine.reading.weights import open_weights

log = logging.getLogger(__name__)


def read_network(
    part: Part,
    row: Architecture,
    resolve: Callable[[str], Any],
    device: torch.device,
    dtype: torch.dtype,
    config: Mapping[str, Any] | None = None,
    kept: torch.dtype | None = None,
    channels_last: bool = False,
) -> nn.Module:
    """The network of a part. config: values that count instead of the form's own; kept: see `fill`.

    channels_last: lay the weights of convolutions out with the channels side by side, where torch can; what they
    answer is laid out likewise. Raises ModelProblem.
    """
    settings = {**part.form.config, **(config or {})}
    layout: Layout = resolve(row.layouts[part.form.layout])
    make: Build = resolve(row.build)
    try:
        network = build(lambda: make(settings, part.form.facts))
        convolutions = all(p.dim() < 5 for p in network.parameters()) and part.role != "text_encoder"
        last = channels_last and convolutions and device.type != "mps"
        with open_weights(*part.files) as weights:
            fill(
                network,
                weights,
                layout,
                settings,
                prefix=part.prefix,
                device=device,
                dtype=dtype,
                kept=kept,
                channels_last=last,
            )
    except DarkroomError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        # Whatever a strange form makes of the library's classes, it is the file that is wrong.
        log.debug("%s failed to load.", part.files[0], exc_info=True)
        raise ModelProblem(
            f"{part.files[0].name} could not be loaded as {row.title}: {first_line(error)}", field="checkpoint"
        ) from error
    return network
