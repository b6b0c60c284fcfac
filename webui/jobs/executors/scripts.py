"""Scripts of extensions: a job that runs in the web process, and asks for others, which are jobs like any. Torch-free.

Each request that the script's generator yields becomes a row of the queue with the script's job as its parent and a
number, in order. Nothing else is kept: when a script's job is taken up again after a restart, its generator runs from
the beginning, and a request whose number has a row already is not put into the line again; its pictures are taken from
there, or waited for. So a script must ask for the same again. When the parent is cancelled or fails, its children that
have not ended are cancelled with it (jobs/ending.py); interrupted, those that wait leave the line, and the one that is
being made is finished; the script is not asked any more then.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from webui import __version__
from webui.core import infotext
from webui.core.errors import DarkroomError, ExtensionProblem
from webui.core.events import Finished, Note, Output, Picture, Progress
from webui.core.job import Job, State
from webui.core.model_memory import Unloaded
from webui.core.request import GenerationRequest
from webui.core.said_texts import with_texts_of
from webui.core.saving import Saving
from webui.core.script_request import SCRIPTS, ScriptRequest
from webui.images.metadata import write_png, wrong_in
from webui.images.results import MadePicture, Result
from webui.jobs.bus import Bus
from webui.jobs.executors.base import Controls, Verb, WorkerStatus
from webui.jobs.queue import Queue
from webui.plugins.calls import call_of
from webui.plugins.manager import Plugins
from webui.plugins.meter import Call, refusal
from webui.plugins.threads import Threads

log = logging.getLogger(__name__)

ROOM = 8
"""Scripts that run at once; they mostly wait."""
MAX_CHILDREN = 1000
STEP_SECONDS = 300.0
"""So long a script may think before it asks for something, or ends."""
_OWN_SHARE = 0.95
"""Of a script's progress, what the pictures of others are."""

_Asking = Generator[list[GenerationRequest], list[Result], Any]


_MUST_RETURN = "it must return a list of images, or of pairs of an image and a Saving, or None."


@dataclass(frozen=True, slots=True)
class Desk:
    """What scripts are run with."""

    plugins: Plugins
    queue: Queue
    bus: Bus
    path: Callable[[str], Path]
    """Where a picture's file lies."""
    put: Callable[[Job, GenerationRequest, int, int], Awaitable[Job]]
    """Accepts a request of a script's job, with its number and how many pictures the job has asked for before it, and
    puts it into the line; one that is refused comes back as a failed job. Raises DarkroomError for what meets them all.
    """
    interrupt: Callable[[str], None]
    """Ends a job early, or takes it from the line. Raises DarkroomError."""


class ScriptExecutor:
    """Runs scripts' jobs. Belongs to the event loop's thread; their code runs on threads of its own."""

    workplace = SCRIPTS

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # More than run at once are those that were left to themselves.
        self._threads = Threads(of_person=ROOM, of_extension=ROOM)

    async def start(self) -> None:
        """There is nothing to start."""

    async def close(self) -> None:
        """There is nothing to stop."""

    def status(self) -> WorkerStatus:
        """Always ready."""
        return WorkerStatus("ready")

    async def unload(self) -> Unloaded:
        """It holds no models."""
        return Unloaded()

    def renew(self, disabled: Sequence[str]) -> None:
        """There is no process."""

    def room(self) -> int:
        """See Executor.room."""
        return ROOM

    def watch(self, changed: Callable[[], None]) -> None:
        """Its state never changes."""

    async def run(self, job: Job, controls: Controls, done: frozenset[int]) -> AsyncGenerator[Output, None]:
        """See Executor.run. Raises UnknownName for a script that is gone, and ExtensionProblem."""
        run = _ScriptRun(self._desk, self._threads, job)
        controls.listen(run.hear)
        try:
            async for output in run.outputs(done):
                yield output
        finally:
            run.leave()


class _ScriptRun:
    """One script at work."""

    def __init__(self, desk: Desk, threads: Threads, job: Job) -> None:
        assert isinstance(job.request, ScriptRequest)
        self._threads = threads
        self._desk, self._job, self._request = desk, job, job.request
        self._row = desk.plugins.table("scripts").get(job.request.script)
        self._call = Call(self._row.extension, "scripts", self._send, ())
        self._known = {child.part: child for child in desk.queue.children(job.id)}
        self._count = 0
        self._pictures = job.request.pictures
        """How many it has asked for so far, those of its own included."""
        self._made = 0
        """How many pictures its requests have."""
        self._open: set[str] = set()
        """Ids of the children that are waited for."""
        self._stopping = job.interrupted
        self._asking: _Asking | None = None

    def hear(self, verb: Verb) -> None:
        """Do what was pressed: the rest of the children is left out."""
        if verb in (Verb.INTERRUPT, Verb.STOP_NOW):
            self._stopping = True
            for child in self._open:
                # It may have ended just now.
                with suppress(DarkroomError):
                    self._desk.interrupt(child)

    def leave(self) -> None:
        """Let the script's own `finally` run; not here, since nobody knows how long that takes."""
        if self._asking is not None:
            threading.Thread(target=_closed, args=(self._asking,), name="script's end", daemon=True).start()

    async def outputs(self, done: frozenset[int]) -> AsyncGenerator[Output, None]:
        """See Executor.run."""
        results: list[Result] | None = None
        finished = 0
        while not self._stopping:
            ended, answer = await self._step(results)
            if ended:
                async for picture in self._own(answer, done):
                    yield picture
                if not answer:
                    # There is nothing else to be seen of it.
                    yield Note(f"The pictures are those of its requests: {self._made}.")
                yield Finished(0)
                return
            requests = self._requests(answer)
            children = await self._children(requests)
            results = []
            for child, asked in zip(children, requests, strict=False):
                results.append(await self._result(child, asked))
                finished += 1
                yield Progress(_OWN_SHARE * finished / self._count, f"{finished} of {self._count}")
        yield Finished(0, interrupted=True)

    async def _step(self, results: list[Result] | None) -> tuple[bool, Any]:
        """(whether it has ended, what it asks for or gives back)."""
        run = partial(self._desk.plugins.meter.ask, self._call, (results,))
        try:
            step: tuple[bool, Any] = await self._threads.answer(STEP_SECONDS, run, self._row.extension, self._job.owner)
        except TimeoutError as error:
            raise refusal(self._call, f"it thinks for more than {STEP_SECONDS:g} s.") from error
        return step

    def _send(self, results: list[Result] | None) -> tuple[bool, Any]:
        """The same, on the script's thread."""
        if self._asking is None:
            options = self._desk.plugins.options_of(self._row.extension, self._request.request)
            begin = call_of(self._row, "scripts", ("request", "options"))
            moving = {"request": self._request.request, "options": options}
            asking = begin.function(*(moving[name] for name in begin.arguments))
            if not isinstance(asking, Generator):
                raise refusal(
                    self._call, f"it returned {type(asking).__name__}; a script is a generator: it has a yield."
                )
            self._asking = asking
        try:
            return False, next(self._asking) if results is None else self._asking.send(results)
        except StopIteration as stop:
            return True, stop.value

    def _requests(self, answer: Any) -> Sequence[GenerationRequest]:
        if not isinstance(answer, list | tuple) or not all(isinstance(one, GenerationRequest) for one in answer):
            raise refusal(self._call, "it must yield lists of requests.")
        if self._count + len(answer) > MAX_CHILDREN:
            raise refusal(self._call, f"it asks for more than {MAX_CHILDREN:,} jobs.")
        return answer

    async def _children(self, requests: Sequence[GenerationRequest]) -> list[Job]:
        children = []
        for request in requests:
            if self._stopping:
                break
            known = self._known.get(self._count)
            child = known or await self._desk.put(self._job, request, self._count, self._pictures)
            self._count += 1
            self._pictures += child.request.pictures
            self._open.add(child.id)
            children.append(child)
            if self._stopping:
                # Pressed while it was on its way into the line, or it has ended by now.
                with suppress(DarkroomError):
                    self._desk.interrupt(child.id)
        return children

    async def _result(self, child: Job, asked: GenerationRequest) -> Result:
        """asked: what stands in the result for a request that was refused."""
        await self._desk.bus.ended(child.id)
        self._open.discard(child.id)
        ended = self._desk.queue.get(child.id)
        pictures = tuple(
            MadePicture(self._desk.path(one.path), one.seed, one.infotext, one.width, one.height)
            for one in ended.pictures
        )
        self._made += len(pictures)
        problem = ended.problem.detail if ended.problem else ""
        if ended.state is State.CANCELLED:
            problem = "It was cancelled."
        refused = ended.state is State.FAILED and ended.started is None
        return Result(asked if refused else ended.picture_request, pictures, problem)

    async def _own(self, images: Any, done: frozenset[int]) -> AsyncGenerator[Picture, None]:
        """The script's own pictures that are not there yet."""
        images = [] if images is None else images
        if not isinstance(images, list | tuple):
            raise refusal(self._call, _MUST_RETURN)
        pairs = [image if isinstance(image, tuple) else (image, Saving()) for image in images]
        if not all(len(pair) == 2 and isinstance(pair[0], Image.Image) for pair in pairs):
            raise refusal(self._call, _MUST_RETURN)
        if wrong := next(filter(None, (wrong_in(saving) for _, saving in pairs)), ""):
            raise refusal(self._call, wrong)
        if len(images) > self._request.pictures:
            raise refusal(self._call, f"it returned {len(images)} pictures; its row says {self._request.pictures}.")
        for index, (image, saving) in enumerate(pairs):
            if index not in done:
                yield await asyncio.to_thread(self._picture, index, image, saving)

    def _picture(self, index: int, image: Image.Image, saving: Saving) -> Picture:
        request = self._request.request
        said, templates = with_texts_of(request, 0)
        extras = {"Script": self._row.title, **templates, **saving.infotext}
        text = infotext.write(said, 0, f"Darkroom {__version__}", extras, self._desk.plugins.panels)
        try:
            data = write_png(image, text, request.to_json(), chunks=saving.chunks)
        except (OSError, ValueError) as error:
            raise ExtensionProblem(f"A picture of the script '{self._row.title}' cannot be saved: {error}.") from error
        return Picture(index, request.seed, data, image.width, image.height, text)


def _closed(asking: _Asking) -> None:
    try:
        asking.close()
    except Exception:
        # Still at work where it was left to itself, or it answers its end with an error.
        log.debug("A script did not end in order", exc_info=True)
