"""What extensions' hooks cost the loop, in microseconds for each hook and step; one that is not there costs nothing."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tools.bench.results import Row, at_most
from webui.core.request import GenerationRequest
from webui.engine.guidance import Guided
from webui.engine.hooks import LaneHooks
from webui.plugins.loader import load_plugins
from webui.plugins.resolve import resolve

CALLS = 200
SHAPES = {"512 x 512": (1, 4, 64, 64), "1024 x 1024": (1, 4, 128, 128)}
FEW, MANY = 1, 11
"""Extensions; what each further one costs is their difference."""

_EXTENSION = """
from webui.extend import Guidance, hookimpl

@hookimpl
def guidance():
    return [Guidance("{name}", "worker:plain")]
"""
_WORKER = """
from contextlib import nullcontext
from webui.extend import hookimpl

@hookimpl
def before_step(latents, step):
    return latents

@hookimpl
def patch_model(model):
    return nullcontext()

def plain(guided):
    return guided.denoised
"""


def hooks(device: str, threads: int, rounds: int) -> list[Row]:
    """The rows. device: as torch calls it; on a GPU the kernels are waited for."""
    if threads:
        torch.set_num_threads(threads)
    place = torch.device("cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu"))
    rows = [at_most("hooks: none, a step", _none(rounds), 1.0, "µs")]
    with tempfile.TemporaryDirectory() as folder:
        few, many = (_lane(Path(folder) / str(count), count) for count in (FEW, MANY))
        for label, shape in SHAPES.items():
            latents = torch.randn(shape, device=place)
            guided = Guided(latents, 1.0, 0, 20, latents, latents, 7.0, latents, GenerationRequest(), False)
            for name, call in _calls(latents, guided).items():
                one, all_ = (_microseconds(partial(call, lane), place, rounds) for lane in (few, many))
                note = f"the first {one:.0f} µs"
                rows.append(Row(f"hooks: {name}, {label}", (all_ - one) / (MANY - FEW), "µs", note=note))
    return rows


def _calls(latents: torch.Tensor, guided: Guided) -> dict[str, Callable[[LaneHooks], object]]:
    """What is timed, by its name."""

    def step(lane: LaneHooks) -> object:
        return lane.before_step(latents, 0, 1.0)

    def guide(lane: LaneHooks) -> object:
        return lane.guide(guided)

    return {"before_step": step, "guidance": guide, "patch_model": _patched}


def _patched(lane: LaneHooks) -> None:
    assert lane.patches is not None
    with lane.patches.applied(None):  # type: ignore[arg-type] # its hook does not look at the model
        pass


def _lane(folder: Path, count: int) -> LaneHooks:
    """The hooks of a lane with so many extensions."""
    for number in range(count):
        home = folder / f"plain{number}"
        home.mkdir(parents=True)
        (home / "extension.toml").write_text(f'name = "{home.name}"\nversion = "1"\napi = "1"\n', encoding="utf-8")
        (home / "extension.py").write_text(_EXTENSION.format(name=home.name), encoding="utf-8")
        (home / "worker.py").write_text(_WORKER, encoding="utf-8")
    plugins = load_plugins([folder], "worker")
    found = LaneHooks.of(plugins, GenerationRequest(), None, resolve)  # type: ignore[arg-type] # as above
    assert found is not None
    return found


def _none(rounds: int) -> float:
    """What a lane asks where no extension has a hook."""
    lane: dict[str, Any] = {"hooks": None}
    return _microseconds(lambda: lane["hooks"] is None, torch.device("cpu"), rounds)


def _microseconds(call: Callable[[], object], place: torch.device, rounds: int) -> float:
    """The median over rounds of a call's time."""
    times = []
    with torch.inference_mode():
        for _ in range(rounds + 1):
            begun = time.perf_counter()
            for _ in range(CALLS):
                call()
            if place.type == "cuda":
                torch.cuda.synchronize(place)
            times.append((time.perf_counter() - begun) / CALLS * 1e6)
    return statistics.median(times[1:])
