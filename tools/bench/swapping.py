"""Swapping to a model whose file is held in RAM, against a bare copy of as many bytes to the GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tools.bench.random_files import write
from tools.bench.results import Row, at_most, ratio
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.device import choose_device, choose_dtype
from webui.engine.pipelines import Pipelines
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

BAR = 1.3
_LABEL = "sd15"


def swapping(folder: Path, pairs: int, device_name: str) -> list[Row]:
    """The ratio on a GPU, or a row that says that there is none."""
    name = f"swapping: to a model of {_LABEL}'s size held in RAM, ours / bare copy"
    device = choose_device(device_name)
    if device.type != "cuda":
        return [Row(name, None, "times", note="only where a GPU is: on the CPU a model in RAM is where it computes")]
    dtype = choose_dtype("auto", device)
    for letter in "ab":
        # Just written, so that the system holds both in RAM.
        write(_LABEL, folder / f"{letter}.safetensors", torch.float16)
    catalogue = Catalogue((folder,), hash_large=False)
    models = [catalogue.get(letter) for letter in "ab"]
    # There is room for one of them only.
    manager = Pipelines(build_registry(load_plugins((), "worker")), resolve, device, dtype, models[0].size_bytes)
    with manager.lend(models[0]) as model:
        held = [parameter.to("cpu", copy=True) for network in model.networks for parameter in network.parameters()]
    a, b = [], []
    for number in range(-2, pairs):

        def swap(number: int = number) -> None:
            with manager.lend(models[(number + 1) % 2]):
                pass

        ours = _timed(swap, device)
        bare = _timed(lambda: [parameter.to(device) for parameter in held], device)
        # The first rounds bring in what is used for the first time.
        if number >= 0:
            a.append(ours)
            b.append(bare)
    note = f"{statistics.median(a):.2f} against {statistics.median(b):.2f} s"
    return [at_most(name, ratio(a, b), BAR, note=note, samples={"ours": a, "bare copy": b})]


def _timed(action: Callable[[], object], device: torch.device) -> float:
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    kept = action()
    torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    del kept
    return seconds
