"""Calls of extensions are timed, marked while they go on, named when they fail, and told of when they are slow."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from webui.core.errors import ExtensionProblem, InvalidField
from webui.plugins.marks import Marks
from webui.plugins.meter import Call, Meter
from webui.plugins.watch import Watch


def call(function: Any, hook: str = "after_step", extension: str = "mine") -> Call:
    return Call(extension, hook, function, ())


def test_times_are_summed_by_extension_and_hook() -> None:
    clock = iter([0.0, 1.0, 5.0, 8.0, 10.0, 10.5]).__next__
    meter = Meter(clock)
    for hook in ("after_step", "after_step", "before_step"):
        meter.run(call(lambda value: value, hook), ["x"])
    after, before = meter.times
    assert (after.calls, after.seconds, after.slowest, after.errors) == (2, 4.0, 3.0, 0)
    assert (before.hook, before.calls, before.seconds) == ("before_step", 1, 0.5)


class _Own(BaseException):
    """What an author may think of."""


def _elsewhere(function: Callable[[], object]) -> object:
    """What it answers or raises on a thread that no Ctrl+C reaches, as a worker's loop is."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt("no"), asyncio.CancelledError("no"), GeneratorExit("no"), _Own("no")]
)
def test_what_ends_programs_is_an_extension_s_own_doing_too(error: BaseException) -> None:
    meter = Meter()

    def fail() -> None:
        raise error

    with pytest.raises(ExtensionProblem, match=r"'mine' failed in after_step: \w+: no"):
        _elsewhere(lambda: meter.run(call(fail), []))
    assert meter.times[0].errors == 1


def test_ctrl_c_still_ends_the_program() -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Meter().run(call(fail), [])


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("no"), InvalidField("no")])
def test_an_error_is_named_counted_and_kept_with_its_trace(error: BaseException) -> None:
    meter = Meter()

    def fail() -> None:
        raise error

    with pytest.raises(ExtensionProblem, match=r"'mine' failed in after_step: .*no"):
        meter.run(call(fail), [])
    (told,) = meter.times
    assert told.errors == 1 and "in fail" in told.trace
    assert meter.underway == ()


def test_who_is_at_it_can_be_read_from_outside() -> None:
    marks = Marks(multiprocessing.get_context("spawn"))
    meter = Meter()
    meter.marks = marks
    seen: list[tuple[str, ...]] = []
    inner = call(lambda: seen.append(marks.inside()), extension="inner")
    meter.run(call(lambda: meter.run(inner, []), extension="outer"), [])
    assert seen == [("outer", "inner")]
    assert marks.inside() == ()
    with pytest.raises(ExtensionProblem):
        meter.run(call(lambda: 1 / 0), [])
    assert marks.inside() == ()


def test_a_slow_call_is_told_once_for_each_doubling(caplog: Any) -> None:
    clock = iter([0.0, 3.0, 10.0, 13.5, 20.0, 27.5]).__next__
    meter = Meter(clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            meter.run(call(lambda: None, "before_step"), [])
    assert [record.getMessage() for record in caplog.records] == [
        "The extension 'mine' took 3.0 s in before_step.",
        "The extension 'mine' took 7.5 s in before_step.",
    ]


def test_a_call_without_end_is_named_while_it_goes_on(caplog: Any) -> None:
    gate, told = threading.Event(), list[str]()
    meter = Meter()
    watch = Watch(meter, lambda sentence: (told.append(sentence), gate.set())[0], limit=1.2)
    with caplog.at_level(logging.WARNING):
        meter.run(call(lambda: gate.wait(30), "before_step"), [])
    watch.close()
    assert len(told) == 1 and "'mine' has not come back from before_step" in told[0]
    assert "'mine' has been in before_step for" in caplog.text


def test_a_hook_that_only_its_job_waits_for_may_take_its_time() -> None:
    told: list[str] = []
    meter = Meter()
    watch = Watch(meter, told.append, limit=0.1)
    meter.run(call(lambda: time.sleep(0.8), "image_ready"), [])
    watch.close()
    assert told == []


def test_a_call_on_another_thread_has_a_longer_limit_and_is_told_too() -> None:
    gate, told = threading.Event(), list[str]()
    meter = Meter()
    watch = Watch(meter, lambda sentence: (told.append(sentence), gate.set())[0], limit=0.1, longest=1.2)
    began = time.monotonic()
    meter.run(call(lambda: gate.wait(30), "image_ready"), [])
    watch.close()
    assert len(told) == 1 and "'mine' has not come back from image_ready" in told[0]
    assert time.monotonic() - began >= 1.2
