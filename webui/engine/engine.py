"""The engine: takes jobs, runs them together through the one loop, and tells what happens to them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from webui.core.errors import BadNumbers, DarkroomError, OutOfMemory, WorkerProblem, first_line
from webui.core.events import Failed, Finished, Note, Output, Step
from webui.core.model_memory import Unloaded
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.engine import device as devices
from webui.engine.attention.backends import Backends
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.identify import Kinds
from webui.engine.compiling.apply import attention_of
from webui.engine.config import EngineConfig
from webui.engine.denoise import Denoiser, ForwardCounts, ForwardPass
from webui.engine.developing import Cause, Developing, Heard
from webui.engine.generate import Batch, Run, make_lane, make_stock_lane, missing_batches
from webui.engine.hooks import LaneHooks
from webui.engine.inbox import Inbox
from webui.engine.intake import Intake, Means, Told
from webui.engine.lanes import Lane, LaneEnd
from webui.engine.memory.ladder import Shape
from webui.engine.memory.rungs import Relief
from webui.engine.overflows import can_widen, worded
from webui.engine.pipelines import Pipelines
from webui.engine.previews import Previewer
from webui.engine.problems import problem_of
from webui.engine.remembering import remembering
from webui.engine.stock.lane import StockLane
from webui.engine.stock.model import StockModel
from webui.engine.tiny_decoders import TinyDecoders
from webui.plugins.manager import Plugins
from webui.plugins.resolve import resolve

log = logging.getLogger(__name__)

Emit = Callable[[str, Output], None]


class Engine:
    """All public methods return at once and may be called from any thread.

    One thread, the loop's, advances lanes and owns every job's state; loading, text encoding, decoding, PNG encoding
    and previews run on other threads and hand their results to it through an inbox.
    """

    def __init__(
        self,
        config: EngineConfig,
        registry: Registry,
        plugins: Plugins,
        emit: Emit,
        *,
        on_fatal: Callable[[BaseException], None] | None = None,
        on_news: Callable[[], None] = lambda: None,
        observer: Callable[[ForwardPass], None] | None = None,
        on_try: Callable[[Shape], None] = lambda shape: None,
    ) -> None:
        """emit: called with a job's id and what happened, one call at a time, from the engine's threads.

        on_fatal: called when the device or the loop broke; the process should end then. on_news: called when a model
        has come or gone, and when a job has left. observer: told of forward passes. on_try: see `Ladder`. Raises
        WorkerProblem when there is no such device.
        """
        devices.set_threads(config.threads, config.sharers)
        self.config = config
        self._registry, self._plugins, self._tell = registry, plugins, emit
        self._on_fatal, self._on_news, self._counts = on_fatal, on_news, ForwardCounts(observer)
        self._device = devices.choose_device(config.device)
        self._dtype = devices.choose_dtype(config.precision, self._device)
        # Looking into thousands of files, and reading gigabytes for a hash, is the web process's task.
        known: dict[str, Any] = {"kinds": Kinds.of(registry), "known_only": config.cache_dir is not None}
        self._catalogue = Catalogue(config.model_folders, config.cache_dir, hash_large=False, **known)
        ladder, self._overflows = remembering(config, self._device, self._dtype, on_try)
        self._pipelines = Pipelines.of(config, registry, self._device, self._dtype, ladder, on_news)
        self._relief = Relief(ladder, self._pipelines.make_room)
        self._backends = Backends(registry.attention, resolve, config.chunks, config.cache_dir)
        self._attention = attention_of(config, self._backends)
        merging = self._pipelines.merging
        self._denoiser = Denoiser.of(config, self._attention, self._counts, self._relief, merging)
        self._runs, self._telling = dict[str, Run](), threading.Lock()
        self._inbox = Inbox(lambda: self._denoiser.busy, self._denoiser.turn, self._idle, self._broken)
        parts = self._catalogue, self._pipelines, self._backends, ladder, self._overflows
        means = Means(*parts, self._device, self._dtype, plugins, registry)
        later, say = self._inbox.later, (self._emit, self._inbox.later(self._noted))
        self._intake = Intake(means, Told(*say, later(self._join), later(self._close_run), later(self._fail)))
        became = later(self._decoded), later(self._enlarged), later(self._overflowed), later(self._undeveloped)
        # Beside a GPU two threads pay: one waits for the device while the other compresses.
        saving = config.png_compress_level, 1 if self._device.type == "cpu" else 2
        self._developing = Developing(Heard(*say, *became), self._relief, registry, plugins, *saving)
        # Stock pipelines: one batch at a time, in turns with the loop.
        self._stock = ThreadPoolExecutor(1, "engine-stock")
        self._previewer = Previewer(self._emit, TinyDecoders.wanted(config, registry, self._device, self._dtype))
        self._inbox.start()
        if config.warm_checkpoint is not None:
            self._intake.warm(config.warm_checkpoint, config.warm_precisions)

    def submit(
        self, job_id: str, request: GenerationRequest, done: frozenset[int] = frozenset(), alone: bool = False
    ) -> None:
        """Take a job up. `done`: numbers of its pictures that are there already. `alone`: share no forward pass."""
        run = Run(job_id, request, done, alone, missing_batches(request, done))
        self._runs[job_id] = run
        self._intake.take(run)

    def interrupt(self, job_id: str) -> None:
        """Finish the current batch of pictures, then end the job."""
        self._command(job_id, self._interrupt)

    def stop_now(self, job_id: str) -> None:
        """End the job at this step, and keep the current pictures as far as they got."""
        self._command(job_id, self._stop_now)

    def skip(self, job_id: str) -> None:
        """End the current batch at this step, keep its pictures as far as they got, and go on with the next."""
        self._command(job_id, self._skip)

    def cancel(self, job_id: str) -> None:
        """Abandon the job; nothing is told of it any more."""
        run = self._runs.get(job_id)
        if run is not None:
            with self._telling:
                run.cancelled = True
            self._inbox.put(partial(self._close_run, run))

    def previews(self, job_id: str, wanted: bool) -> None:
        """Say whether anybody wants to see the job's pictures while they are made."""
        run = self._runs.get(job_id)
        if run is not None:
            run.wants_preview = wanted

    def describe(self) -> dict[str, Any]:
        """The state of the engine in words and numbers."""
        return {
            **devices.state(self._device),
            "precision": str(self._dtype).removeprefix("torch."),
            **self._pipelines.describe(),
            "jobs": len(self._runs),
            "forwards": self._counts.forwards,
            "rows": self._counts.rows,
        }

    def unload(self) -> Unloaded:
        """Drop the models that no job uses; the next job loads its own again. Not at once: may take a moment.

        What was learnt of memory that ran short is forgotten too: there may be more by now.
        """
        self._relief.ladder.forget()
        return self._pipelines.unload()

    def close(self) -> None:
        """Abandon all jobs and stop the threads; waits for what is being computed at this moment."""
        for job_id in list(self._runs):
            self.cancel(job_id)
        self._inbox.close()
        self._attention.close()
        self._intake.close()
        self._stock.shutdown(wait=True, cancel_futures=True)
        self._developing.close()
        self._previewer.close()

    # On the loop's thread

    def _idle(self) -> bool:
        return not self._runs and self._backends.measured.measure_next()

    def _command(self, job_id: str, act: Callable[[Run], None]) -> None:
        run = self._runs.get(job_id)
        if run is not None:
            self._inbox.put(lambda: None if run.ended else act(run))

    def _join(self, run: Run) -> None:
        if run.cancelled or run.ended:
            self._close_run(run)
            return
        run.ready = True
        self._next_batch(run)

    def _next_batch(self, run: Run) -> None:
        if run.goes_on:
            if run.ready and not self._pipelines.holds(run.models):
                self._begin_again(run)
            if not run.ready:
                return
            run.begin(run.batches.pop(0))
            self._start_lane(run)
        elif not run.decoding:
            run.interrupted |= bool(run.batches)
            self._finish(run)

    def _start_lane(self, run: Run, over: Tensor | None = None) -> None:
        run.lane_started = time.perf_counter()
        told = partial(self._stepped, run), partial(self._lane_ended, run), partial(self._noted, run)
        try:
            if isinstance(run.model, StockModel):
                run.lane = make_stock_lane(run, self._inbox.put, self._denoiser.welcome, *told, self._relief)
                self._stock.submit(run.lane.run)
                return
            hooks = LaneHooks.of(self._plugins, run.current.request, run.model, resolve, run.batch)
            run.lane = lane = make_lane(run, self._registry, resolve, hooks, *told, plugins=self._plugins, over=over)
            self._denoiser.add(lane)
        except (Exception, SystemExit) as error:  # noqa: BLE001 whatever a sampler's or a schedule's code raises
            self._fail(run, error)

    def _stepped(self, run: Run, lane: Lane | StockLane) -> None:
        steps = run.walked + lane.steps + run.to_come
        self._emit(run, Step(run.walked + lane.done_steps, steps, run.batch + 1, run.request.n_iter))
        if run.wants_preview and 0 < lane.done_steps < lane.steps and lane.done_steps % self.config.preview_every == 0:
            self._previewer.offer(run, lane, sum(other.wants_preview for other in list(self._runs.values())))

    def _noted(self, run: Run, text: str) -> None:
        if text not in run.notes:
            run.notes.add(text)
            self._emit(run, Note(text))

    def _lane_ended(self, run: Run, end: LaneEnd) -> None:
        run.spend("denoised", time.perf_counter() - run.lane_started)
        walked, run.lane = run.lane.steps if run.lane else 0, None
        if end.error is not None:
            if isinstance(end.error, OutOfMemory) and self._pipelines.move_away(run.models):
                self._begin_again(run, run.batch)
                # Not at once, which is in the midst of a turn of theirs.
                self._inbox.put(self._follow)
            else:
                self._fail(run, end.error)
            return
        if run.following is not None and end.stopped_at is None:
            run.walked += walked
            run.between = batch = run.ended_pass(end, run.following)
            self._developing.enlarge(batch)
            return
        if end.latents is not None or end.images is not None:
            stopped_at = None if end.stopped_at is None else run.walked + end.stopped_at
            self._decode(run.ended_pass(replace(end, stopped_at=stopped_at)))
        elif run.under is not None:
            # It was stopped before there was anything of this pass to be seen.
            self._decode(run.under.as_it_is())
        self._next_batch(run)

    def _enlarged(self, batch: Batch, latents: Tensor, seconds: float) -> None:
        run = batch.run
        run.spend("enlarged", seconds)
        if batch.is_left or run.ended or run.cancelled:
            return
        if not self._pipelines.holds(run.models):
            self._begin_again(run)
            return
        run.between, run.under = None, batch
        run.at += 1
        self._start_lane(run, latents)

    def _undeveloped(self, batch: Batch, error: BaseException) -> None:
        if not batch.is_left:
            self._fail(batch.run, error)

    def _follow(self) -> None:
        """Have whoever uses a model that was moved away begin anew, since so long it takes the room."""
        for run in list(self._runs.values()):
            if run.ready and run.busy and not run.interrupted and not self._pipelines.holds(run.models):
                self._begin_again(run)

    def _decode(self, batch: Batch) -> None:
        batch.run.decoding += 1
        self._developing.decode(batch)

    def _again_wide(self, batch: Batch, cause: Cause, wide: Any) -> None:
        """Develop a batch once more, with another model in place of the one that was the cause."""
        run, again = batch.run, batch.with_model(wide, cause.model)
        # The run may have begun again meanwhile, and then has other models, or none for a while.
        if run.ready and run.models[cause.place] is cause.model:
            run.models[cause.place] = wide
        if batch.second is None:
            self._developing.decode(again)
        elif not batch.is_left:
            run.between = again
            self._developing.enlarge(again)

    def _overflowed(self, batch: Batch, error: BadNumbers) -> None:
        """Make a batch, or only develop it, once more in 32 bits, as the answer was no numbers in fewer."""
        run, cause = batch.run, Cause.of(batch, error)
        if batch.is_left:
            return
        if run.ended or not can_widen(cause.model, cause.role):
            self._overflows.forget(cause.files)
            self._fail(run, worded(error, cause.files, cause.model, cause.role))
            return
        self._noted(run, self._overflows.learn(cause.files, cause.role))
        if cause.role == "vae":
            self._intake.take_vae(run, cause.files, self._inbox.later(partial(self._again_wide, batch, cause)))
            return
        run.forget(batch)
        if run.ready and not run.stopped:
            self._begin_again(run, batch.number)
        else:
            run.put_back(batch.number)
        self._next_batch(run)

    def _begin_again(self, run: Run, *batches: int) -> None:
        """Give its models back and have the run made ready anew; these batches and one in work come first then."""
        run.ready = False
        if run.busy:
            self._abandon(run)
            run.put_back(run.batch)
        run.put_back(*batches)
        run.models, run.passes = [], []
        run.loan.close()
        self._pipelines.wake()
        self._intake.take(run)

    def _abandon(self, run: Run) -> None:
        run.between = None
        if run.lane is not None:
            run.lane.abandon()
            run.lane = None
            self._denoiser.discard_ended()

    def _decoded(self, batch: Batch, seconds: float) -> None:
        run = batch.run
        run.decoding -= 1
        run.spend("decoded", seconds)
        if not (run.busy or run.ended or run.cancelled):
            self._next_batch(run)

    def _interrupt(self, run: Run) -> None:
        run.ending = True
        if not run.busy:
            self._next_batch(run)

    def _stop_now(self, run: Run) -> None:
        run.ending = run.stopped = True
        run.owed.clear()
        if run.busy:
            run.interrupted = True
            self._stop_batch(run)
        else:
            self._next_batch(run)

    def _skip(self, run: Run) -> None:
        if run.busy:
            self._stop_batch(run)

    def _stop_batch(self, run: Run) -> None:
        """End the batch that is being made, and keep its pictures as far as they got."""
        if run.lane is not None:
            run.lane.stop()
            self._denoiser.discard_ended()
        elif run.between is not None:
            self._decode(run.between.as_it_is())
            run.between = None
            self._next_batch(run)

    def _finish(self, run: Run) -> None:
        timings = {stage: round(seconds, 4) for stage, seconds in run.timings.items()}
        # The scheduler logs the job's one line, with these timings in it.
        log.debug("Job %s: %d pictures; %s", run.job_id, len(run.made), timings)
        self._emit(run, Finished(len(run.done) + len(run.made), run.interrupted, timings))
        self._close_run(run)

    def _fail(self, run: Run, error: BaseException) -> None:
        if not run.ended:
            if not isinstance(error, DarkroomError):
                log.warning("Job %s ended with an error.", run.job_id, exc_info=error)
            self._emit(run, Failed(problem_of(error)))
        self._close_run(run)

    def _close_run(self, run: Run) -> None:
        run.ended = True
        if self._runs.get(run.job_id) is run:
            del self._runs[run.job_id]
        self._abandon(run)
        run.loan.close()
        self._pipelines.wake()
        self._on_news()

    def _broken(self, error: BaseException) -> None:
        what = "The device reported a fault" if devices.is_fatal(error) else "The worker's loop failed"
        log.critical("%s: %s", what, error, exc_info=error)
        if self._on_fatal is not None:
            self._on_fatal(error)
        for run in list(self._runs.values()):
            self._fail(run, WorkerProblem(f"{what}: {first_line(error)}"))

    # From all threads

    def _emit(self, run: Run, output: Output) -> None:
        with self._telling:
            if not (run.ended or run.cancelled):
                self._tell(run.job_id, output)
