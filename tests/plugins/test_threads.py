"""Slow calls of extensions hold up no other thread, are left behind after their time, and are limited."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from webui.core.errors import NotFound, TooMany
from webui.plugins.calls import answer_within
from webui.plugins.threads import Threads


def test_slow_calls_leave_asyncio_s_threads_free() -> None:
    async def talk() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        go, threads = threading.Event(), Threads(10, 10)
        slow = [asyncio.create_task(threads.answer(20, go.wait, "one", "me")) for _ in range(5)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 5) == 7
        go.set()
        assert await asyncio.gather(*slow) == [True] * 5

    asyncio.run(talk())


def test_a_person_and_an_extension_have_so_many_at_once_until_they_end() -> None:
    async def talk() -> None:
        go, threads = threading.Event(), Threads(of_person=1, of_extension=2)
        with pytest.raises(TimeoutError):
            await threads.answer(0.01, go.wait, "one", "me")
        with pytest.raises(TooMany, match="1 calls of yours"):
            await threads.answer(5, go.wait, "two", "me")
        other = asyncio.create_task(threads.answer(5, go.wait, "one", "you"))
        await asyncio.sleep(0)
        with pytest.raises(TooMany, match="'one' is still at work on 2 calls"):
            await threads.answer(5, go.wait, "one", "they")
        go.set()
        assert await other
        while True:
            try:
                assert await threads.answer(5, lambda: 3, "one", "me") == 3
                break
            except TooMany:
                await asyncio.sleep(0.01)

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("error", "seen"), [(NotFound("Not so."), NotFound), (SystemExit(2), RuntimeError), (StopIteration(), RuntimeError)]
)
def test_what_a_call_raises_comes_through_and_ends_nothing_else(error: BaseException, seen: type[Exception]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(seen):
        asyncio.run(Threads(1, 1).answer(5, fail, "one", "me"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, SystemExit, StopIteration])
def test_whatever_is_raised_is_told_at_once(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error("no")

    async def talk() -> None:
        with pytest.raises(RuntimeError, match=f"{error.__name__}: no"):
            await Threads(1, 1).answer(20, fail, "one", "me")

    asyncio.run(talk())
    with pytest.raises((RuntimeError, SystemExit, StopIteration), match="no"):
        answer_within(20, fail, "one")
