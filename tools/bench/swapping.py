"""Swapping to a model whose file is held in RAM, against a bare copy of as many bytes to where it computes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tools.bench.model_shapes import TRUE, Widths
from tools.bench.random_files import write
from tools.bench.results import Row, at_most, chance, lacking, ratio
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.device import choose_device, choose_dtype
from webui.engine.pipelines import Pipelines
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

_LABEL = "sd15"
BAR = 1.3
"""On a GPU. On a CPU a model in RAM is where it computes: none is asked of what has to be read."""
_NEEDED_GIB = 19
"""On a CPU: two models in fp32, a copy of one and another of that, and their files in the system's memory."""


def swapping(folder: Path, pairs: int, device_name: str, widths: Widths = TRUE) -> list[Row]:
    """To and fro between two models of SD1.5's size where there is room for one: on a GPU the other waits in RAM, on a
    CPU its file does, in the system's memory. On a CPU also where there is room for both.
    """
    device = choose_device(device_name)
    on_gpu = device.type == "cuda"
    name = f"swapping{'' if on_gpu else ', CPU'}: to a model of {_LABEL}'s size, "
    if widths is TRUE and not on_gpu and (row := lacking(name + "ours / bare copy", _NEEDED_GIB)):
        return [row]
    for letter in "ab":
        # Just written, so that the system holds both in RAM.
        write(_LABEL, folder / f"{letter}.safetensors", torch.float16, widths)
    catalogue = Catalogue((folder,), hash_large=False)
    models = [catalogue.get(letter) for letter in "ab"]
    ours, bare = _measured(models, pairs, device, models[0].size_bytes)
    if on_gpu:
        return [at_most(name + "held in RAM, ours / bare copy", ratio(ours, bare), BAR, **_figures(ours, bare))]
    read = Row(name + "room for one, ours / bare copy", ratio(ours, bare), "times", **_figures(ours, bare))
    ours, bare = _measured(models, pairs, device, 0)
    return [read, Row(name + "room for both, ours / bare copy", ratio(ours, bare), "times", **_figures(ours, bare))]


def _measured(
    models: list[Checkpoint], pairs: int, device: torch.device, budget: int
) -> tuple[list[float], list[float]]:
    """Seconds of swaps and of bare copies, in turn. budget: bytes that models may take; 0 leaves room for both."""
    registry, dtype = build_registry(load_plugins((), "worker")), choose_dtype("auto", device)
    manager = Pipelines(registry, resolve, device, dtype, budget or 1 << 40)
    with manager.lend(models[0]) as model:
        held = [parameter.to("cpu", copy=True) for network in model.networks for parameter in network.parameters()]
    ours, bare = [], []
    for number in range(-2, pairs):

        def swap(number: int = number) -> None:
            with manager.lend(models[(number + 1) % 2]):
                pass

        swapped = _timed(swap, device)
        copied = _timed(lambda: [parameter.to(device, copy=True) for parameter in held], device)
        # The first rounds bring in what is used for the first time.
        if number >= 0:
            ours.append(swapped)
            bare.append(copied)
    manager.unload()
    return ours, bare


def _figures(ours: list[float], bare: list[float]) -> dict[str, Any]:
    note = f"{statistics.median(ours):.3f} against {statistics.median(bare):.3f} s; {chance(ours)}"
    return {"note": note, "samples": {"ours": ours, "bare copy": bare}}


def _timed(action: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    kept = action()
    _wait(device)
    seconds = time.perf_counter() - start
    del kept
    return seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
