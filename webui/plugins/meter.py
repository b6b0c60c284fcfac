"""Runs what extensions have written: names them in errors, measures their time, and knows who is at it now."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from webui.core.errors import DarkroomError, ExtensionProblem
from webui.plugins.marks import Marks
from webui.plugins.repeats import Repeats

log = logging.getLogger(__name__)

T = TypeVar("T")

SLOW_SECONDS = 1.0
"""So long everybody's steps may wait for one call on the loop's thread before the log says so."""
LONG_SECONDS = 20.0
"""The same for calls that nobody else waits for: a filter may take its time on a CPU."""
LOOP_HOOKS = frozenset(
    {"before_sampling", "before_step", "after_step", "guidance", "patch_model", "samplers", "schedules"}
)
"""Those that the worker's loop waits for, and with it all jobs."""
_TRACE_FRAMES = 12
_TRACE_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class HookTime:
    """What one hook of one extension has cost in a process: seconds are of the host, `slowest` the longest call.

    `trace`: of its newest error, for the owner.
    """

    extension: str
    hook: str
    calls: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    errors: int = 0
    trace: str = ""


class Call(NamedTuple):
    """A function of an extension, as it is called: for which hook, and with which arguments."""

    extension: str
    hook: str
    function: Callable[..., Any]
    arguments: tuple[str, ...] = ()


def refusal(call: Call, why: str) -> ExtensionProblem:
    """The error that names whose call it was. why: the end of a sentence."""
    return ExtensionProblem(f"The extension '{call.extension}' failed in {call.hook}: {why}")


class Underway(NamedTuple):
    """A call that goes on: since when, by the meter's clock."""

    extension: str
    hook: str
    since: float


class _Refused(NamedTuple):
    """An answer that is a refusal."""

    error: DarkroomError


class Meter:
    """All calls of one process; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.marks: Marks | None = None
        """Where another process can read who is at it; set once, before anything is called."""
        self.clock = clock
        self.repeats = Repeats()
        self._lock = threading.Lock()
        self._spent: dict[tuple[str, str], HookTime] = {}
        self._now: dict[int, Underway] = {}

    @property
    def times(self) -> tuple[HookTime, ...]:
        """What each hook has cost, in the order of their first calls."""
        with self._lock:
            return tuple(self._spent.values())

    @property
    def underway(self) -> tuple[Underway, ...]:
        """The calls that go on now."""
        return tuple(self._now.copy().values())

    def run(self, call: Call, values: Sequence[Any]) -> Any:
        """Call it with these values. Whatever it raises becomes an ExtensionProblem that names it."""
        thread = threading.get_ident()
        outer, began = self._now.get(thread), self.clock()
        self._now[thread] = Underway(call.extension, call.hook, began)
        if self.marks is not None:
            with self._lock:
                self.marks.enter(call.extension)
        trace = ""
        try:
            return call.function(*values)
        except BaseException as error:
            trace = trace_of(error)
            # Whoever presses Ctrl+C means the program; anywhere else even this is the extension's own doing.
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise
            raise ExtensionProblem(
                f"The extension '{call.extension}' failed in {call.hook}: {sentence(error)}"
            ) from error
        finally:
            if outer is None:
                del self._now[thread]
            else:
                self._now[thread] = outer
            self._add(call, self.clock() - began, trace)

    def ask(self, call: Call, values: Sequence[Any]) -> Any:
        """The same, but a DarkroomError comes through: what is refused with a sentence is no failure."""

        def answered(*given: Any) -> Any:
            try:
                return call.function(*given)
            except DarkroomError as error:
                return _Refused(error)

        answer = self.run(call._replace(function=answered), values)
        if isinstance(answer, _Refused):
            raise answer.error
        return answer

    def of_row(self, extension: str, hook: str, function: Callable[[], T]) -> T:
        """What a row's function answers: asked (see `ask`) where the row is an extension's, "" being none's."""
        if not extension:
            return function()
        answer: T = self.ask(Call(extension, hook, function), ())
        return answer

    def entered(self, extension: str) -> None:
        """Code of an extension runs that is no hook: its modules are loaded."""
        if self.marks is not None:
            with self._lock:
                self.marks.enter(extension)

    def left(self, extension: str) -> None:
        """What was `entered` is over."""
        if self.marks is not None:
            with self._lock:
                self.marks.leave(extension)

    def _add(self, call: Call, seconds: float, trace: str) -> None:
        key = call.extension, call.hook
        with self._lock:
            if self.marks is not None:
                self.marks.leave(call.extension)
            before = self._spent.get(key) or HookTime(*key)
            self._spent[key] = replace(
                before,
                calls=before.calls + 1,
                seconds=before.seconds + seconds,
                slowest=max(before.slowest, seconds),
                errors=before.errors + bool(trace),
                trace=trace or before.trace,
            )
        # Said once for each doubling, so that a hook that is slow each time does not fill the log.
        if seconds > patience(call.hook) and seconds > 2 * before.slowest:
            log.warning("The extension '%s' took %.1f s in %s.", call.extension, seconds, call.hook)


def summed(times: Iterable[HookTime]) -> tuple[HookTime, ...]:
    """One for each hook of each extension, of what several processes have counted; later ones are the newer."""
    found: dict[tuple[str, str], HookTime] = {}
    for time_ in times:
        key = time_.extension, time_.hook
        before = found.get(key) or HookTime(*key)
        found[key] = replace(
            before,
            calls=before.calls + time_.calls,
            seconds=before.seconds + time_.seconds,
            slowest=max(before.slowest, time_.slowest),
            errors=before.errors + time_.errors,
            trace=time_.trace or before.trace,
        )
    return tuple(found.values())


def patience(hook: str) -> float:
    """Seconds that a call may take before the log says so."""
    return SLOW_SECONDS if hook in LOOP_HOOKS else LONG_SECONDS


def sentence(error: BaseException) -> str:
    """What went wrong, as the end of a sentence."""
    if isinstance(error, DarkroomError):
        return error.detail
    return f"{type(error).__name__}: {error}".rstrip(": ").rstrip(".")[:300] + "."


def plain(error: BaseException) -> RuntimeError:
    """The same as an error that no future, thread or loop takes for its own end."""
    return RuntimeError(f"{type(error).__name__}: {error}".rstrip(": "))


def trace_of(error: BaseException) -> str:
    """Where an error came from: its last frames, for the owner."""
    return "".join(traceback.format_exception(error, limit=-_TRACE_FRAMES))[-_TRACE_LENGTH:]
