"""Limits: buckets that fill with time, streams that are counted while they are open."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from webui.core.errors import TooMany
from webui.core.job import LOCAL_OWNER, Identity, Level
from webui.web.limits import Buckets, Limits, Rate

ANN = Identity("ann", Level.VISITOR)
BOB = Identity("bob", Level.VISITOR)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    clock = Clock()
    buckets, rate = Buckets(clock), Rate(3, 2)
    assert [buckets.take("a", rate) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", rate) == 0
    clock.now = 0.5
    assert buckets.take("a", rate) == 0
    assert buckets.take("a", rate) > 0
    clock.now = 100
    assert [buckets.take("a", rate) for _ in range(4)][:3] == [0, 0, 0]


def test_writes_are_fewer_than_reads_and_each_has_its_own() -> None:
    limits = Limits(Clock())

    def until_refused(kind: str) -> int:
        for count in range(100_000):
            try:
                limits.request(ANN, kind)  # type: ignore[arg-type]
            except TooMany as error:
                assert "Try again in" in error.detail
                return count
        raise AssertionError("never refused")

    writes = until_refused("write")
    assert 10 < writes < until_refused("read")
    limits.request(BOB, "write")
    for _ in range(2000):
        limits.request(LOCAL_OWNER, "write")


def test_streams_are_counted_while_open() -> None:
    limits = Limits(Clock())
    opened = []
    with pytest.raises(TooMany):
        for _ in range(100):
            opened.append(limits.stream(ANN))
            opened[-1].__enter__()
    with limits.stream(BOB):
        pass
    opened[0].__exit__(None, None, None)
    with limits.stream(ANN), pytest.raises(TooMany), limits.stream(ANN):
        pass


def test_many_strangers_together_leave_room_for_the_owner() -> None:
    limits = Limits(Clock())
    with ExitStack() as opened:
        with pytest.raises(TooMany, match="Too many pages"):
            for number in range(5000):
                opened.enter_context(limits.stream(Identity(f"visitor {number}", Level.VISITOR)))
        opened.enter_context(limits.stream(LOCAL_OWNER))
    with limits.stream(ANN):
        pass


def test_only_wrong_passwords_count() -> None:
    clock = Clock()
    limits = Limits(clock)
    for _ in range(50):
        limits.sign_in_try("x")
    for _ in range(10):
        limits.sign_in_failed("x")
    with pytest.raises(TooMany):
        limits.sign_in_try("x")
    limits.sign_in_try("y")
    clock.now = 10
    limits.sign_in_try("x")
