"""An executor without a model: real small pictures, all verbs, failures on demand. For tests, demos and page work."""

from __future__ import annotations

import asyncio
import hashlib
import io
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageColor

from webui import __version__
from webui.core import infotext
from webui.core.errors import DarkroomError
from webui.core.events import Failed, Finished, Loading, Output, Picture, Preview, Step
from webui.core.job import Job
from webui.core.model_memory import HeldModel, LastLoad, Unloaded
from webui.core.panels import NO_PANELS, Panels
from webui.core.request import DEVICE, GenerationRequest
from webui.core.said_texts import with_texts_of
from webui.engine.checkpoints.catalogue import name_of
from webui.images.metadata import write_png
from webui.jobs.executors.base import Controls, NoWorker, Verb, WorkerDied, WorkerState, WorkerStatus

_CELLS = 16
_MODEL_BYTES = 2 * 2**30
_LOAD_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure to play: at step `at` (from 1) of every job whose prompt holds `prompt`, `times` times in all.

    With an `error` the job fails; without one the worker dies, and takes every running job with it.
    """

    at: int = 1
    error: DarkroomError | None = None
    prompt: str = ""
    times: int = 1_000_000


class FakeExecutor:
    """Paints a pattern drawn from prompt, seed and size over the colour that the prompt names.

    It pretends to have memory for one checkpoint.
    """

    workplace = DEVICE

    def __init__(
        self,
        step_seconds: float = 0.05,
        capacity: int = 4,
        fault: Fault | None = None,
        device: str = "Fake device",
        panels: Panels = NO_PANELS,
    ) -> None:
        """panels: of the extensions that its pictures' infotexts may speak of."""
        self.step_seconds = step_seconds
        """May be changed while jobs run."""
        self._capacity = capacity
        self._fault = fault
        self._faults_left = fault.times if fault else 0
        self._panels = panels
        self._running: dict[str, Job] = {}
        self._life = 0
        """Grows when the pretended worker dies."""
        self._status = WorkerStatus("ready", device, "Pictures are patterns; no model is used.", device_type="cpu")
        self._changed: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """There is nothing to start."""

    async def close(self) -> None:
        """There is nothing to stop."""

    def status(self) -> WorkerStatus:
        """How it pretends to be; ready, until `become` says otherwise."""
        return self._status

    def room(self) -> int:
        """How many jobs may run at once."""
        return self._capacity

    def watch(self, changed: Callable[[], None]) -> None:
        """See Executor.watch."""
        self._changed = changed

    def become(self, state: WorkerState, detail: str = "") -> None:
        """Pretend to be in this state. Whatever it is, the jobs that run now have lost their worker."""
        self._life += 1
        self._status = replace(self._status, state=state, detail=detail, models=())
        self._changed()

    async def run(self, job: Job, controls: Controls, done: frozenset[int]) -> AsyncGenerator[Output, None]:
        """See Executor.run."""
        if self._status.state == "failed":
            raise NoWorker(f"No pictures can be made: {self._status.detail}")
        self._hold(name_of(job.picture_request.checkpoint))
        self._running[job.id] = job
        try:
            async for output in self._paint(job, controls, done):
                yield output
        finally:
            del self._running[job.id]

    async def unload(self) -> Unloaded:
        """See Executor.unload."""
        used = {name_of(job.picture_request.checkpoint) for job in self._running.values()}
        names = [model.name for model in self._status.models]
        self._status = replace(self._status, models=tuple(m for m in self._status.models if m.name in used))
        return Unloaded(
            tuple(name for name in names if name not in used), tuple(name for name in names if name in used)
        )

    def renew(self, disabled: Sequence[str]) -> None:
        """There is no process."""

    def _hold(self, name: str) -> None:
        if not self._status.holds(name):
            load = LastLoad(name, _LOAD_SECONDS, dropped=bool(self._status.models))
            self._status = replace(self._status, models=(HeldModel(name, _MODEL_BYTES),), last_load=load)

    async def _paint(self, job: Job, controls: Controls, done: frozenset[int]) -> AsyncGenerator[Output, None]:
        run = _Run(job.picture_request, controls, self._life)
        request = run.request
        begun = time.perf_counter()
        yield Loading("Loading the fake model")
        loaded = time.perf_counter()
        pictures, cut_short = len(done), False
        for batch in range(request.n_iter):
            indexes = range(batch * request.batch_size, (batch + 1) * request.batch_size)
            missing = [index for index in indexes if index not in done]
            if not missing:
                continue
            if run.interrupted or run.stopped:
                cut_short = True
                break
            run.skipped = False
            step, steps = 0, request.all_steps
            yield Step(0, steps, batch + 1, request.n_iter)
            while step < steps and not run.stopped and not run.skipped:
                await asyncio.sleep(self.step_seconds)
                step += 1
                failure = self._failure(run, step)
                if failure:
                    yield failure
                    return
                yield Step(step, steps, batch + 1, request.n_iter)
                if run.previews:
                    yield Preview(_preview(request, indexes[0], step / steps))
            for index in missing:
                pictures += 1
                yield _picture(request, index, step if step < steps else None, self._panels)
            cut_short = cut_short or (run.stopped and step < steps)
        timings = {"loaded": loaded - begun, "encoded": 0.0, "denoised": time.perf_counter() - loaded, "decoded": 0.0}
        yield Finished(pictures, cut_short, timings)

    def _failure(self, run: _Run, step: int) -> Failed | None:
        fault = self._fault
        if fault and step == fault.at and self._faults_left and fault.prompt in run.request.prompt:
            self._faults_left -= 1
            if fault.error:
                return Failed(fault.error.problem())
            self._life += 1
        if run.life != self._life:
            raise WorkerDied(ran=True, detail="The fake worker was told to die.")
        return None


class _Run:
    """One job's run and what it was told."""

    def __init__(self, request: GenerationRequest, controls: Controls, life: int) -> None:
        self.request = request
        self.life = life
        self.interrupted = False
        self.stopped = False
        self.skipped = False
        self.previews = False
        controls.listen(self._hear)

    def _hear(self, verb: Verb) -> None:
        match verb:
            case Verb.INTERRUPT:
                self.interrupted = True
            case Verb.STOP_NOW:
                self.stopped = True
            case Verb.SKIP:
                self.skipped = True
            case Verb.PREVIEWS_ON | Verb.PREVIEWS_OFF:
                self.previews = verb is Verb.PREVIEWS_ON


def paint(request: GenerationRequest, index: int) -> Image.Image:
    """Picture `index` of the request: cells in shades of the colour that the prompt names first (else grey)."""
    prompt, negative_prompt = request.texts_of(index)
    named = next((word for word in prompt.lower().split() if word in ImageColor.colormap), "gray")
    colour = ImageColor.getrgb(named)[:3]
    text = f"{prompt}\n{negative_prompt}\n{request.seed_of(index)}\n{request.width}x{request.height}"
    shades = hashlib.shake_256(text.encode()).digest(_CELLS * _CELLS)
    small = Image.new("RGB", (_CELLS, _CELLS))
    small.putdata([tuple(round(c * (0.9 + shade / 2550)) for c in colour) for shade in shades])
    return small.resize(request.size, Image.Resampling.BILINEAR)


def _picture(request: GenerationRequest, index: int, stopped_at: int | None, panels: Panels) -> Picture:
    seed = request.seed_of(index)
    said, templates = with_texts_of(request, index)
    text = infotext.write(said, index, __version__, templates, panels)
    data = write_png(paint(request, index), text, request.record_of(index), index=index)
    return Picture(index, seed, data, *request.size, text, stopped_at)


def _preview(request: GenerationRequest, index: int, sharpness: float) -> bytes:
    side = max(2, round(64 * sharpness))
    image = paint(request, index).resize((side, side))
    grey = Image.new("RGB", image.size, "gray")
    file = io.BytesIO()
    Image.blend(grey, image, sharpness).resize((256, 256), Image.Resampling.BILINEAR).save(file, "jpeg", quality=80)
    return file.getvalue()
