"""Loading a single file of SD1.5's size, against reading the same bytes with safetensors into the same modules."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from tools.bench.model_shapes import TRUE, Widths
from tools.bench.random_files import write
from tools.bench.results import Row, at_most, ratio
from webui.core.registry import Registry
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.layouts.base import Source, take
from webui.engine.reading.cache import NetworkCache
from webui.engine.reading.modules import build
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

LABEL = "sd15"
PRECISIONS = {"fp16": torch.float16, "fp32": torch.float32}
BAR = 1.5

Places = list[tuple[str, str, Source]]
"""(a parameter, its tensor in the file, how the one comes out of the other)."""


def loading(folder: Path, pairs: int, threads: int, widths: Widths = TRUE) -> list[Row]:
    """Ratios for files in fp16 and fp32, computed with in fp32 on the CPU. threads: 0 leaves torch its own number."""
    if threads:
        torch.set_num_threads(threads)
    registry = build_registry(load_plugins((), "worker"))
    rows = []
    for precision, dtype in PRECISIONS.items():
        path = write(LABEL, folder / f"{LABEL}-{precision}.safetensors", dtype, widths)
        checkpoint = Catalogue((folder,), hash_large=False).get(path.name)
        rows += _measured(checkpoint, registry, pairs, f"loading: {LABEL}, {precision} file")
        path.unlink()
    return rows


def _measured(checkpoint: Checkpoint, registry: Registry, pairs: int, name: str) -> list[Row]:
    a, b, again = [], [], []
    for number in range(-1, pairs):
        first, second = (_ours, _bare) if number % 2 else (_bare, _ours)
        seconds = {first: first(checkpoint, registry), second: second(checkpoint, registry)}
        once_more = _ours(checkpoint, registry)
        # The first round brings the file into memory, and what both sides import.
        if number >= 0:
            a.append(seconds[_ours])
            b.append(seconds[_bare])
            again.append(once_more)
    note = f"{statistics.median(a):.2f} against {statistics.median(b):.2f} s; ours / ours again {ratio(a, again):.2f}"
    samples = {"ours": a, "safetensors": b, "ours again": again}
    return [at_most(f"{name}, ours / safetensors", ratio(a, b), BAR, note=note, samples=samples)]


def _ours(checkpoint: Checkpoint, registry: Registry) -> float:
    """Seconds until the model is there, its modules made."""
    load: Callable[..., Any] = resolve(registry.families.get(checkpoint.family).function)

    def whole() -> Any:
        return load(checkpoint, NetworkCache(registry, resolve, torch.device("cpu"), torch.float32))

    return _timed(whole)


def _bare(checkpoint: Checkpoint, registry: Registry) -> float:
    """Seconds to read and assign, the modules and the places of their parameters known beforehand."""
    modules = _modules(checkpoint, registry)

    def whole() -> None:
        with safe_open(checkpoint.path, "pt") as file:
            for network, places in modules:
                # A copy, since a tensor that is only mapped has not been read.
                tensors = {
                    name: take(file.get_tensor(place), source).to(torch.float32, copy=True)
                    for name, place, source in places
                }
                network.load_state_dict(tensors, assign=True)

    return _timed(whole)


def _modules(checkpoint: Checkpoint, registry: Registry) -> list[tuple[nn.Module, Places]]:
    found = []
    for part in checkpoint.parts.values():
        row = registry.architectures.get(part.architecture)
        network = build(lambda row=row, part=part: resolve(row.build)(part.form.config, part.form.facts))  # type: ignore[misc]
        layout = resolve(row.layouts[part.form.layout])
        sources = {name: layout(name, part.form.config) for name in network.state_dict()}
        places = [(name, part.prefix + source.name, source) for name, source in sources.items()]
        found.append((network, places))
    return found


def _timed(action: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    # What was made is kept until after the clock has stopped.
    kept = action()
    seconds = time.perf_counter() - start
    del kept
    return seconds
