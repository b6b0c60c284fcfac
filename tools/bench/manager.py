"""Pictures of SD1.5's and SDXL's true size through the engine, against diffusers' pipeline on the very same modules."""

from __future__ import annotations

import io
import queue
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image
from transformers import CLIPTokenizer

from tools.bench.model_shapes import TRUE, Widths
from tools.bench.pictures import Work
from tools.bench.random_files import write
from tools.bench.results import Row, at_most, lacking, ratio
from webui.core.errors import DarkroomError
from webui.core.events import Failed, Finished, Output, Picture
from webui.core.model_folders import ModelFolders
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import folder_form
from webui.engine.checkpoints.identify import Kinds
from webui.engine.config import EngineConfig
from webui.engine.engine import Engine
from webui.engine.memory.ladder import Shape
from webui.engine.work.folder_form import write_form
from webui.plugins.loader import build_registry, load_plugins

BAR = 1.02
# In these files are as many numbers as in the true ones; SDXL's is in 8 bits to take less room on the disk.
_DTYPES = {"sd15": torch.float16, "sdxl": torch.float8_e4m3fn}
_NEEDED_GIB = {"sd15": 6, "sdxl": 17}
_PIPELINES = {"sd15": diffusers.StableDiffusionPipeline, "sdxl": diffusers.StableDiffusionXLPipeline}

Draw = Callable[[GenerationRequest], tuple[float, Image.Image]]


def manager(label: str, folder: Path, work: Work, threads: int, widths: Widths = TRUE) -> list[Row]:
    """The ratio for "sd15" or "sdxl" on the CPU, or a row that says why there is none."""
    name = f"manager: one picture, {label}, {work.label}: ours / pipeline"
    if widths is TRUE and (row := lacking(name, _NEEDED_GIB[label])):
        return [row]
    if threads:
        torch.set_num_threads(threads)
    write(label, folder / f"{label}.safetensors", _DTYPES[label], widths)
    checkpoint = Catalogue((folder,), hash_large=False).get(label)
    with engine_on(folder, threads) as (engine, told):
        ours = ours_of(engine, told)
        # The first picture loads the model.
        ours(_request(work, 0, checkpoint))
        with engine._pipelines.lend(checkpoint) as model:
            return _measured(name, ours, _pipeline(label, checkpoint, model, folder), work, checkpoint)


def _measured(name: str, ours: Draw, theirs: Draw, work: Work, checkpoint: Checkpoint) -> list[Row]:
    a, b, again, apart = [], [], [], []
    for number in range(-1, work.pairs):
        request = _request(work, number, checkpoint)
        # The order turns, so that a machine that grows slower is no one's fault.
        order = (theirs, ours, ours) if number % 2 else (ours, theirs, ours)
        times: dict[Draw, list[float]] = {ours: [], theirs: []}
        pictures = {}
        for draw in order:
            seconds, pictures[draw] = draw(request)
            times[draw].append(seconds)
        if number >= 0:
            a.append(times[ours][0])
            again.append(times[ours][1])
            b.append(times[theirs][0])
            apart.append(int(np.abs(np.asarray(pictures[ours], int) - np.asarray(pictures[theirs], int)).max()))
    figures = (
        f"{statistics.median(a):.2f} against {statistics.median(b):.2f} s; pictures at most {max(apart)}/255 apart"
    )
    note = f"{figures}; ours / ours again {ratio(a, again):.3f}"
    return [at_most(name, ratio(a, b), BAR, note=note, samples={"ours": a, "pipeline": b, "ours again": again})]


def _request(work: Work, number: int, checkpoint: Checkpoint) -> GenerationRequest:
    return GenerationRequest(**{**work.request(number + 1), "checkpoint": checkpoint.title})


@contextmanager
def engine_on(
    folder: Path,
    threads: int,
    device: str = "cpu",
    *,
    on_try: Callable[[Shape], None] = lambda shape: None,
    **more: Any,
) -> Iterator[tuple[Engine, queue.SimpleQueue[Output]]]:
    """An engine on a folder's checkpoints, and what it tells of its one job. more: further options of its config."""
    plugins = load_plugins((), "worker")
    told: queue.SimpleQueue[Output] = queue.SimpleQueue()
    config = EngineConfig(ModelFolders((folder,)), device=device, threads=threads, **more)
    engine = Engine(config, build_registry(plugins), plugins, lambda job_id, output: told.put(output), on_try=on_try)
    try:
        yield engine, told
    finally:
        engine.close()


def clock_of(engine: Engine) -> Callable[[], float]:
    """Where the CPU computes, what this process alone has used of it; else the wall's."""
    return time.process_time if engine._device.type == "cpu" else time.perf_counter


def ours_of(engine: Engine, told: queue.SimpleQueue[Output], clock: Callable[[], float] = time.perf_counter) -> Draw:
    """Draws by the engine, from `submit` to the encoded PNG. clock: seconds."""

    def draw(request: GenerationRequest) -> tuple[float, Image.Image]:
        start = clock()
        engine.submit("bench", request)
        picture = b""
        while True:
            match told.get():
                case Picture(data=picture):
                    pass
                case Failed(problem=problem):
                    raise DarkroomError(f"The bench's job failed: {problem.detail}")
                case Finished():
                    return clock() - start, Image.open(io.BytesIO(picture)).convert("RGB")

    return draw


def _pipeline(label: str, checkpoint: Checkpoint, model: Any, folder: Path) -> Draw:
    """The stock pipeline on the modules of the loaded model."""
    unet, vae, *texts = model.networks
    vae.register_to_config(scaling_factor=model.vae.scaling)
    names = ("", "_2")[: len(texts)]
    (folder / "form").mkdir()
    form = folder_form(Kinds.built_in().families, checkpoint.family)
    write_form(checkpoint, form, folder / "form", {f"text_encoder{name}": ("", "") for name in names})
    tokenizers = {f"tokenizer{n}": CLIPTokenizer.from_pretrained(folder / "form" / f"tokenizer{n}") for n in names}
    encoders = {f"text_encoder{name}": text for name, text in zip(names, texts, strict=True)}
    _, config = form.scheduler
    scheduler = diffusers.EulerDiscreteScheduler.from_config({**config, "timestep_spacing": "linspace"})
    bare: dict[str, Any] = {"add_watermarker": False}
    if label == "sd15":
        bare = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline = _PIPELINES[label](unet=unet, vae=vae, scheduler=scheduler, **tokenizers, **encoders, **bare)
    pipeline.set_progress_bar_config(disable=True)

    def draw(request: GenerationRequest) -> tuple[float, Image.Image]:
        start = time.perf_counter()
        with torch.inference_mode():
            image = pipeline(
                request.prompt,
                # None, since SDXL's pipeline takes "" for a text and not for none.
                negative_prompt=request.negative_prompt or None,
                num_inference_steps=request.steps,
                guidance_scale=request.cfg_scale,
                width=request.width,
                height=request.height,
                generator=torch.Generator().manual_seed(request.seed),
            ).images[0]
        image.save(io.BytesIO(), "png", compress_level=1)
        return time.perf_counter() - start, image

    return draw
