"""The whole bench: which parts run, on what, in which order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tools.bench.aside import aside
from tools.bench.catalogue import catalogue
from tools.bench.ours import Ours
from tools.bench.page import page
from tools.bench.peer import Peer, PeerSetup
from tools.bench.pictures import Work, clients, one
from tools.bench.results import Row
from tools.bench.saving import saving
from tools.bench.start import start
from webui.core.paths import Paths
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.config import EngineConfig, Precision

STARTER = "darkroom-starter"
PARTS = (
    "saving",
    "catalogue",
    "loading",
    "manager",
    "swapping",
    "attention",
    "speed",
    "ladder",
    "conditioning",
    "adapters",
    "hooks",
    "start",
    "page",
    "one",
    "clients",
    "large",
)
LARGE = {"sd15": 512, "sdxl": 1024}
"""Models with random weights, timed where a GPU is, and their size in pixels."""
MANAGED = {"sd15": 4, "sdxl": 3}
"""Models with random weights that the engine and the pipeline share, and the steps of a small picture."""
_MANAGED_SIDE = 128


class Listener(Protocol):
    """Hears how the bench gets on."""

    def stage(self, text: str) -> None:
        """Something new begins."""
        ...

    def found(self, row: Row) -> None:
        """A figure is there."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. `threads` 0 leaves torch its own number, on both sides; `flags` go to the started servers."""

    paths: Paths
    parts: Sequence[str] = PARTS
    thorough: bool = False
    steps: int = 20
    device: str = "auto"
    precision: Precision = "auto"
    threads: int = 0
    flags: Sequence[str] = ()

    def work(self, side: int, label: str = "") -> Work:
        """Pictures of this size, as often as the plan says."""
        pairs, rounds = (21, 5) if self.thorough else (7, 2)
        return Work(side, side, self.steps, pairs, rounds, f"{label}{side} x {side}")


async def bench(plan: Plan, listener: Listener) -> None:
    """Measure; everything is written below a temporary folder. Raises DarkroomError when a part cannot run."""
    starter = Catalogue(plan.paths.model_folders, None).get(STARTER)
    work = plan.work(int(starter.defaults.get("native_size", 512)))
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        parts: dict[str, tuple[str, Callable[[], list[Row]]]] = {
            "saving": ("Saving", lambda: saving(folder)),
            "catalogue": ("Listing two thousand model files", lambda: catalogue(folder)),
            "loading": ("Loading a file of SD1.5's size", lambda: _loading(folder, plan)),
            "manager": ("Pictures of SD1.5's and SDXL's size through the engine", lambda: _manager(folder, plan)),
            "swapping": ("Swapping to a model held in RAM", lambda: _swapping(folder, plan)),
            "attention": ("Attention backends on the layers of SD1.5 and SDXL", lambda: _attention(plan)),
            "speed": ("Speed options on the starter model", lambda: _speed(starter, work, plan)),
            "ladder": ("Running out of memory, on the starter model", lambda: _ladder(starter, work, plan)),
            "conditioning": ("Texts on an encoder of SD1.5's size", lambda: _conditioning(folder, plan)),
            "adapters": ("LoRAs merged into a UNet of SD1.5's size", lambda: _adapters(plan)),
            "hooks": ("Hooks of extensions", lambda: _hooks(plan)),
            "start": ("The first picture after a start", lambda: start(folder, work.request(0), plan.flags)),
            "page": ("The page, against a bare one", lambda: page(folder, 2 * work.rounds)),
        }
        for part in (part for part in parts if part in plan.parts):
            title, measure = parts[part]
            listener.stage(title)
            # In a thread: the browser's driver refuses to run where an event loop does.
            for row in await asyncio.to_thread(measure):
                listener.found(row)
        if {"one", "clients"} & set(plan.parts):
            kind = await _pictures(plan, starter, work, folder, listener)
            if kind != "cpu" and "large" in plan.parts:
                for label, side in LARGE.items():
                    listener.stage(f"Making a model of {label}'s size with random weights")
                    model = await asyncio.to_thread(random_model, label, starter, folder / "models")
                    await _pictures(plan, model, plan.work(side, f"{label}, "), folder / label, listener)


def _loading(folder: Path, plan: Plan) -> list[Row]:
    return aside("tools.bench.loading:loading", folder / "loading", plan.work(0).pairs, plan.threads)


def _manager(folder: Path, plan: Plan) -> list[Row]:
    rows = []
    for label, steps in MANAGED.items():
        work = Work(_MANAGED_SIDE, _MANAGED_SIDE, steps, plan.work(0).pairs, 0, f"{_MANAGED_SIDE} x {_MANAGED_SIDE}")
        with tempfile.TemporaryDirectory(dir=folder) as own:
            rows += aside("tools.bench.manager:manager", label, Path(own), work, plan.threads)
    return rows


def _attention(plan: Plan) -> list[Row]:
    return aside("tools.bench.attention:attention", plan.work(0).pairs, plan.device, plan.precision, plan.threads)


def _speed(starter: Checkpoint, work: Work, plan: Plan) -> list[Row]:
    return aside("tools.bench.speed:speed", starter.path, work, plan.device, plan.threads)


def _ladder(starter: Checkpoint, work: Work, plan: Plan) -> list[Row]:
    return aside("tools.bench.ladder:ladder", starter.path, work, plan.device, plan.threads)


def _conditioning(folder: Path, plan: Plan) -> list[Row]:
    own = folder / "conditioning"
    return aside("tools.bench.conditioning:conditioning", own, plan.work(0).pairs, plan.device, plan.threads)


def _adapters(plan: Plan) -> list[Row]:
    return aside("tools.bench.adapters:adapters", plan.work(0).pairs, plan.device, plan.threads)


def _hooks(plan: Plan) -> list[Row]:
    return aside("tools.bench.hooks:hooks", plan.device, plan.threads, plan.work(0).pairs)


def _swapping(folder: Path, plan: Plan) -> list[Row]:
    return aside("tools.bench.swapping:swapping", folder / "swapping", plan.work(0).pairs, plan.device)


async def _pictures(plan: Plan, model: Checkpoint, work: Work, folder: Path, listener: Listener) -> str:
    """Both sides on this model; the kind of device they ran on."""
    folder.mkdir(exist_ok=True)
    listener.stage(f"Loading {model.name} on both sides")
    setup = PeerSetup(model.path, plan.device, plan.precision, plan.threads, variant=file_variant(model))
    engine = EngineConfig(
        device=plan.device, precision=plan.precision, threads=plan.threads, warm_checkpoint=model.title
    )
    paths = Paths(data_dir=folder / "home", checkpoint_dirs=(model.path.parent,))
    with Peer(setup) as peer:
        listener.stage(f"On {peer.device}")
        async with Ours.running(paths, engine) as ours:
            for part, title, measure in (
                ("one", "One picture at a time", one),
                ("clients", "Sixteen clients at once", clients),
            ):
                if part in plan.parts:
                    listener.stage(title)
                    for row in await measure(ours, peer, work, folder):
                        listener.found(row)
        return peer.kind


def file_variant(model: Checkpoint) -> str | None:
    """The variant that diffusers is to be told: "fp16" of unet/diffusion_pytorch_model.fp16.safetensors."""
    middle = model.parts["unet"].files[0].name.split(".")[1:-1]
    return middle[0] if middle else None


def random_model(label: str, starter: Checkpoint, folder: Path) -> Checkpoint:
    """A checkpoint of this size, written in a process that ends, so that its memory is free again."""
    aside("tools.bench.run:_make", label, starter.path, folder / label)
    return Catalogue((folder,), None).get(label)


def _make(label: str, starter: Path, folder: Path) -> None:
    # Torch and diffusers belong into the child only.
    from tools.bench.random_models import SIZES, make

    make(SIZES[label], starter, folder)
