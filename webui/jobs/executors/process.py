"""A worker process, seen from both ends: its start, its pipe, its log and its end. Torch-free."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from webui.core.console import LINES, LONGEST_LINE, SECONDS, Allowance
from webui.core.errors import DarkroomError, first_line
from webui.core.events import Output
from webui.engine.allocator import one_heap
from webui.engine.broken_packages import keep_out_broken
from webui.jobs.executors.base import WorkerStatus
from webui.jobs.executors.messages import (
    MAX_BYTES,
    Broken,
    Command,
    Log,
    Report,
    Status,
    Stop,
    decode,
    encode,
    said,
)
from webui.plugins.marks import Marks
from webui.plugins.resolve import resolve

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_LAST_WORDS = 20
_LONGEST_RECORD = 20_000
"""Characters of a record of a worker's log."""


class WorkerProcess:
    """The web process's end. Start it in the thread of the event loop, which must live as long as the worker.

    `heard` is called in the loop's thread with every report, `died` once when the process is gone, with a sentence and
    whether the worker itself said that another one would find the same.
    """

    def __init__(
        self, target: str, argument: object, heard: Callable[[Report], None], died: Callable[[str, bool], None]
    ) -> None:
        self._heard = heard
        self._died = died
        self._loop = asyncio.get_running_loop()
        self._broken = ""
        self._known = False
        self._console: deque[str] = deque(maxlen=_LAST_WORDS)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        console, their_console = context.Pipe(duplex=False)
        level = logging.getLogger().getEffectiveLevel()
        self._marks = Marks(context)
        arguments = target, argument, theirs, their_console, level, self._marks
        self._process = context.Process(target=_child, args=arguments, name="darkroom-worker", daemon=True)
        self._process.start()
        theirs.close()
        their_console.close()
        threading.Thread(target=self._read_console, args=(console,), name="worker console", daemon=True).start()
        self._reader = threading.Thread(target=self._read, name="worker pipe", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def inside(self) -> tuple[str, ...]:
        """The extensions whose code it runs; of a dead one, ran when it died."""
        return self._marks.inside()

    def send(self, command: Command) -> None:
        """Say something to the worker; to one that is gone it makes no difference, its death is told anyway."""
        try:
            self._pipe.send_bytes(encode(command))
        except OSError as error:
            log.debug("The worker is gone: %s", error)

    def stop(self, seconds: float) -> None:
        """Ask it to end, and end it by force after `seconds`. Blocks."""
        self.send(Stop())
        self._reader.join(seconds)
        if self._reader.is_alive():
            log.warning("The worker did not stop within %g s and is ended.", seconds)
            self._process.kill()
            self._reader.join(seconds)

    def _read(self) -> None:
        while True:
            try:
                data = self._pipe.recv_bytes(MAX_BYTES)
            except (EOFError, ConnectionError):
                break
            except OSError as error:
                # Too long a message leaves the pipe unusable.
                self._broken = self._broken or f"The line to the worker broke: {error}."
                self._process.kill()
                break
            try:
                self._take(decode(data))
            except Exception:
                log.exception("A message of the worker cannot be read and is left out")
        self._process.join()
        sentence = self._broken or _obituary(self._process.exitcode)
        if self._process.exitcode and self._console:
            log.error("%s Its last words:\n%s", sentence, "\n".join(self._console))
        self._call(self._died, sentence, self._known)

    def _take(self, report: Report) -> None:
        if isinstance(report, Log):
            logging.getLogger(report.logger).log(report.level, "%s", report.text)
        elif isinstance(report, Broken):
            self._broken, self._known = report.sentence, report.known
        else:
            self._call(self._heard, report)

    def _read_console(self, console: Connection) -> None:
        # What is printed, by libraries in C too; the fd outlives `console`, so that no second owner closes it.
        with os.fdopen(os.dup(console.fileno()), encoding="utf-8", errors="replace") as lines:
            console.close()
            allowance = Allowance(LINES, SECONDS)
            while line := lines.readline(LONGEST_LINE):
                self._console.append(line.rstrip())
                if unsaid := allowance.renewed():
                    log.info("worker: %d lines were left out", unsaid)
                if allowance.take():
                    log.info("worker: %s", line.rstrip())

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            log.debug("The event loop is closed; nobody needs to know any more.")


def _obituary(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        try:
            name = signal.Signals(-exitcode).name
        except ValueError:
            name = f"signal {-exitcode}"
        if name == "SIGKILL":
            return "The worker was killed (SIGKILL); if nobody did that, the system was out of memory."
        return f"The worker crashed ({name})."
    return f"The worker ended with exit code {exitcode}."


class Link:
    """The worker's end; its methods may be called from any thread."""

    def __init__(self, pipe: Connection, marks: Marks | None = None) -> None:
        """marks: where this process says which extension's code it runs."""
        self._pipe = pipe
        self.marks = marks
        self._lock = threading.Lock()
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="pipe", daemon=True).start()

    def commands(self) -> Iterator[Command]:
        """What the web process says, until it says stop."""
        while not isinstance(command := self._commands.get(), Stop):
            yield command

    def output(self, job_id: str, output: Output) -> None:
        """An output of a job."""
        self.report(said(job_id, output))

    def status(self, status: WorkerStatus) -> None:
        """How the worker is; the first call says that it is ready."""
        self.report(Status(status))

    def report(self, report: Report) -> None:
        """Send any report."""
        data = encode(report)
        with self._lock:
            self._pipe.send_bytes(data)

    def _read(self) -> None:
        while True:
            try:
                self._commands.put(decode(self._pipe.recv_bytes()))
            except (EOFError, OSError):
                # The web process is gone, and with it all that this one is for; the main thread may be deep in a step.
                os._exit(0)


def end_it(link: Link, sentence: str) -> None:
    """End this process at once, in the worker: no thread can be stopped from outside, and everybody waits for one."""
    link.report(Broken(sentence))
    os._exit(4)


class _Forward(logging.Handler):
    """Sends log records to the web process."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; when that fails there is nobody to tell."""
        try:
            self._link.report(Log(record.name, record.levelno, self.format(record)[:_LONGEST_RECORD]))
        except OSError:
            self.handleError(record)


def _child(target: str, argument: object, pipe: Connection, console: Connection, level: int, marks: Marks) -> None:
    """The worker process's main function: resolves `target` here and calls it with the link and `argument`."""
    if os.name == "posix":
        os.dup2(console.fileno(), 1)
        os.dup2(console.fileno(), 2)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    # Ctrl+C reaches every process of the terminal; the web process stops this one in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Before the first thread begins.
    one_heap()
    link = Link(pipe, marks)
    _die_with_parent()
    # Read once, when torch is imported: threads that wait by spinning make a CPU that others use too many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=level, format="%(message)s", handlers=[_Forward(link)], force=True)
    try:
        for name, reason in keep_out_broken().items():
            log.warning("%s is installed and broken; it is left out. %s", name, reason)
        resolve(target)(link, argument)
    except DarkroomError as error:
        link.report(Broken(error.detail, known=True))
        sys.exit(1)
    except Exception as error:
        log.exception("The worker cannot go on")
        link.report(Broken(f"The worker cannot go on: {type(error).__name__}: {first_line(error)}"))
        sys.exit(1)


def _die_with_parent() -> None:
    """Have the kernel end this process with its parent even while no thread of it can run (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if multiprocessing.parent_process() is not None and os.getppid() == 1:
            os._exit(0)
