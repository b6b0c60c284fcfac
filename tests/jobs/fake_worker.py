"""Targets for WorkerProcess that need no torch: a worker that counts steps, and ones that go wrong in every way."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from webui.core.errors import WorkerProblem
from webui.core.events import Finished, Loading, Note, Picture, Step
from webui.core.model_memory import HeldModel, Unloaded
from webui.engine.config import EngineConfig
from webui.jobs.executors import messages
from webui.jobs.executors.base import LeftOut, WorkerStatus
from webui.jobs.executors.messages import Cancel, Gone, Submit, Tell, Unload
from webui.jobs.executors.process import Link
from webui.plugins.meter import HookTime


def main(link: Link, config: dict[str, Any]) -> None:
    """Jobs run at once, each in a thread; the prompt says what happens in it."""
    logging.getLogger("tests.worker").warning("hello from the log")
    print("hello from print", flush=True)  # noqa: T201 - what libraries do
    os.system("echo hello from a child of mine")
    gone: set[str] = set()
    time.sleep(config.get("start_seconds", 0))
    link.status(WorkerStatus("ready", f"Fake {os.getpid()}", "", 1, 2))
    for command in link.commands():
        match command:
            case Submit():
                gone.discard(command.job_id)
                threading.Thread(target=_job, args=(link, command, gone), daemon=True).start()
            case Cancel():
                gone.add(command.job_id)
                link.output("cancelled", Note(command.job_id))
            case Tell():
                link.output(command.job_id, Note(str(command.verb)))
            case Unload() if config.get("tells_of_unloads"):
                link.report(Gone(command.number, Unloaded(("x",))))


def _job(link: Link, job: Submit, gone: set[str]) -> None:
    request = job.request
    link.output(job.job_id, Loading("nothing"))
    if "dies while loading" in request.prompt:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    if "only loads" in request.prompt:
        time.sleep(60)
    for step in range(request.steps + 1):
        link.output(job.job_id, Step(step, request.steps))
        if "dies" in request.prompt and step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        if job.job_id in gone:
            return
    if "unpicklable" in request.prompt:
        link.output(job.job_id, Note(threading.Lock()))  # type: ignore[arg-type]
    if "unreadable" in request.prompt:
        link.report(messages.Said(job.job_id, b"no pickle"))
    if "garbage" in request.prompt:
        link._pipe.send_bytes(b"this is no message")
    if "oversized" in request.prompt:
        messages.MAX_BYTES = 100_000
        link.output(job.job_id, Note("x" * 200_000))
    if "floods the pipe" in request.prompt:
        link._pipe.send_bytes(b"x" * 3_000_000)
    for index in set(range(request.pictures)) - job.done:
        text = f"alone={job.alone}"
        link.output(job.job_id, Picture(index, request.seed_of(index), b"data", request.width, request.height, text))
    if "busy meanwhile" in request.prompt:
        _grown(link, 2**40)
    link.output(job.job_id, Finished(request.pictures))
    if "keeps" in request.prompt:
        _grown(link, int(request.prompt.split("keeps ")[1]))


def _grown(link: Link, besides: int) -> None:
    """A status that says how much RAM the process holds besides a model."""
    held = (HeldModel("x", 1),)
    link.status(WorkerStatus("ready", f"Fake {os.getpid()}", "", 1, 2, held, besides=besides))


def deadly(link: Link, config: EngineConfig) -> None:
    """Dies of each job inside the extension 'deadly', unless that is left out."""
    assert link.marks
    link.status(WorkerStatus("ready", f"Fake {os.getpid()}"))
    for command in link.commands():
        if isinstance(command, Submit) and "deadly" in config.disabled_extensions:
            link.output(command.job_id, Finished(0))
        elif isinstance(command, Submit):
            link.output(command.job_id, Step(1, 2))
            time.sleep(0.05)
            link.marks.enter("deadly")
            os.kill(os.getpid(), signal.SIGKILL)


def leaves_out(link: Link, config: EngineConfig) -> None:
    """Leaves an extension out, and says as its device what it is told that was said before."""
    told = " ".join(f"{name}: {problem}" for name, problem in config.told)
    link.status(WorkerStatus("ready", told or "nothing", left_out=(LeftOut("torn", "It is torn."),)))
    for _ in link.commands():
        pass


def counts(link: Link, config: EngineConfig) -> None:
    """Each job costs a call of a hook, of which the second of a process fails; the last is told when it is to end."""
    calls = 0
    link.status(WorkerStatus("ready", f"Fake {os.getpid()}"))
    for command in link.commands():
        if isinstance(command, Submit):
            calls += 1
            link.output(command.job_id, Finished(0))
            if calls == 1:
                link.status(WorkerStatus("ready", hooks=(HookTime("mine", "after_step", 1, 2.0, 2.0),)))
    times = HookTime("mine", "after_step", calls, 2.0 * calls, 2.0, calls // 2, "a trace" if calls > 1 else "")
    link.status(WorkerStatus("ready", hooks=(times,) if calls else ()))


def dies_at_start(link: Link, config: Any) -> None:
    """Ends before it is ready."""
    sys.exit(7)


def says_why(link: Link, config: Any) -> None:
    """Ends with a sentence before it is ready."""
    raise WorkerProblem("There is no device called 'cuda:9'.")


def raises(link: Link, config: Any) -> None:
    """Ends with an error that nobody foresaw."""
    raise KeyError("unforeseen")


def hangs(link: Link, config: Any) -> None:
    """Ready, but deaf to Stop."""
    link.status(WorkerStatus("ready", f"Fake {os.getpid()}"))
    time.sleep(600)


def parent_of_a_worker(ready: Connection) -> None:
    """A web process with a worker, for a test that kills it: tells both process ids."""
    import asyncio  # in the child only, which imports nothing else of the loop

    from webui.jobs.executors.local import LocalExecutor

    async def serve() -> None:
        executor = LocalExecutor({}, "tests.jobs.fake_worker:hangs")
        await executor.start()
        while executor.status().state != "ready":
            await asyncio.sleep(0.01)
        ready.send((os.getpid(), executor.pid))
        await asyncio.sleep(600)

    asyncio.run(serve())
