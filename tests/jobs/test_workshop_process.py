"""The workshop's process: when one ends before the next begins, and which of its deaths are laid to a work."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.jobs.helpers import running_house, with_loop
from tests.jobs.test_works_ends import KINDS, work
from webui.core.events import Failed, Finished, Output
from webui.jobs.executors.base import Controls, WorkerDied
from webui.jobs.executors.workshop import Workshop


def workshop(tmp_path: Path, **config: Any) -> Workshop:
    config["starts"] = str(tmp_path / "starts")
    return Workshop(config, "tests.jobs.fake_workshop:main")  # type: ignore[arg-type]


@asynccontextmanager
async def open_workshop(tmp_path: Path, **config: Any) -> AsyncIterator[Workshop]:
    shop = workshop(tmp_path, **config)
    yield shop
    await shop.close()


async def outputs(shop: Workshop, name: str) -> list[Output]:
    return [output async for output in shop.run(work(name), Controls(), frozenset())]


@with_loop
async def test_a_process_that_ends_is_waited_for_though_who_waited_first_is_cancelled(tmp_path: Path) -> None:
    async with open_workshop(tmp_path, lingers=1.0, hangs=True) as shop:
        left = shop.run(work("left"), Controls(), frozenset())
        await anext(left)
        await anext(left)
        pid = shop.pid
        await left.aclose()
        waiting = asyncio.create_task(outputs(shop, "cancelled"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert pid and psutil.pid_exists(pid), "it lingers still"
        following = shop.run(work("following"), Controls(), frozenset())
        await anext(following)
        assert not psutil.pid_exists(pid)
        await following.aclose()


@with_loop
async def test_a_death_before_the_work_was_taken_up_is_not_laid_to_it(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        await outputs(shop, "first")
        pid = shop.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        # The loop stands still meanwhile, so that nobody has told the workshop of it.
        while psutil.pid_exists(pid):
            time.sleep(0.01)
        with pytest.raises(WorkerDied) as death:
            await outputs(shop, "second")
        assert (death.value.ran, death.value.taken) == (False, False)
        assert isinstance((await outputs(shop, "second"))[-1], Finished)


@with_loop
async def test_a_death_in_the_midst_of_a_work_is_laid_to_it(tmp_path: Path) -> None:
    async with open_workshop(tmp_path, hangs=True) as shop:
        running = shop.run(work("job"), Controls(), frozenset())
        await anext(running)
        await anext(running)
        assert shop.pid is not None
        os.kill(shop.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied) as death:
            await anext(running)
        assert death.value.ran


@pytest.mark.parametrize("dies", [2, 3])
@with_loop
async def test_a_workshop_that_does_not_open_is_tried_three_times(tmp_path: Path, dies: int) -> None:
    job, following = work("job"), work("following")
    async with running_house(tmp_path, workshop(tmp_path, dies=dies), kinds=KINDS) as house:
        house.submit(job)
        end = await house.end(job.id)
        assert house.queue.get(job.id).attempts == 0
        if dies == 2:
            assert isinstance(end, Finished)
        else:
            assert isinstance(end, Failed) and "ended 3 times before it had begun" in end.problem.detail
        house.submit(following)
        assert isinstance(await house.end(following.id), Finished), "the next work tries anew"


@with_loop
async def test_a_renewed_workshop_begins_the_next_work_in_another_process(tmp_path: Path) -> None:
    async with open_workshop(tmp_path) as shop:
        await outputs(shop, "first")
        first = shop.pid
        shop.renew(())
        assert shop.pid is None, "an idle one goes at once"
        following = shop.run(work("second"), Controls(), frozenset())
        await anext(following)
        await anext(following)
        second = shop.pid
        shop.renew(())
        assert shop.pid == second and second != first, "a work is finished first"
        assert isinstance([output async for output in following][-1], Finished)
        assert shop.pid is None
