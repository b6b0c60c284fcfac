"""How works on models end that somebody stops: while they run, over a stop of the program, and at their very end."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.jobs.helpers import House, running_house, with_loop
from tests.jobs.works_stub import Stubborn
from webui.core.errors import Conflict
from webui.core.events import Cancelled, Finished, Progress
from webui.core.job import LOCAL_OWNER, Job, State
from webui.core.job_request import RequestKinds
from webui.core.model_work import Prune
from webui.jobs.executors.base import Verb

KINDS = RequestKinds({"prune": Prune})


def work(name: str) -> Job:
    return Job(name, LOCAL_OWNER.id, Prune(checkpoint="one"), State.QUEUED, created=1.0, place=1.0, task="prune")


async def begun(house: House, job: Job) -> None:
    house.submit(job)
    await house.until(job.id, lambda event: isinstance(event, Progress))


@with_loop
async def test_a_stopped_work_does_not_run_again_after_a_stop_of_the_program(tmp_path: Path) -> None:
    stopped, left = work("stopped"), work("left")
    async with running_house(tmp_path, Stubborn(), kinds=KINDS) as house:
        await begun(house, stopped)
        house.scheduler.cancel(stopped.id)
    async with running_house(tmp_path, Stubborn(), kinds=KINDS) as house:
        assert house.queue.get(stopped.id).state is State.CANCELLED
        await begun(house, left)
    async with running_house(tmp_path, shop := Stubborn(), kinds=KINDS) as house:
        shop.done.set()
        assert isinstance(await house.end(left.id), Finished), "what nobody stopped is done"
        assert shop.ran == [left.id]


@with_loop
async def test_a_stopped_work_does_not_run_again_after_a_kill_of_the_program(tmp_path: Path) -> None:
    job = work("stopped")
    async with running_house(tmp_path, shop := Stubborn(), kinds=KINDS) as house:
        await begun(house, job)
        house.scheduler.interrupt(job.id)
        assert shop.told[-1] is Verb.STOP_NOW
        # As a kill leaves the rows: the work runs.
        killed = tmp_path / "killed" / "data" / "darkroom.sqlite3"
        killed.parent.mkdir(parents=True)
        house.queue._database._connection.execute("VACUUM INTO ?", (str(killed),))
    shop = Stubborn()
    shop.done.set()
    async with running_house(tmp_path / "killed", shop, kinds=KINDS) as house:
        assert isinstance(await house.end(job.id), Cancelled)
        assert shop.ran == []


@pytest.mark.parametrize("leaves", [False, True], ids=["stopped twice", "the program stops"])
@with_loop
async def test_a_work_whose_file_is_there_is_done_whatever_comes(tmp_path: Path, leaves: bool) -> None:
    job, shop = work("job"), Stubborn()
    listing, listed = threading.Event(), threading.Event()

    def made() -> None:
        listing.set()
        listed.wait(10)

    async with running_house(tmp_path, shop, kinds=KINDS, made=made) as house:
        await begun(house, job)
        house.scheduler.cancel(job.id)
        shop.done.set()
        assert await asyncio.to_thread(listing.wait, 10)
        if leaves:
            asyncio.get_running_loop().call_later(0.05, listed.set)
        else:
            with pytest.raises(Conflict, match="just ended"):
                house.scheduler.cancel(job.id)
            listed.set()
            assert isinstance(await house.end(job.id), Finished)
    async with running_house(tmp_path, Stubborn(), kinds=KINDS) as house:
        row = house.queue.get(job.id)
        assert (row.state, row.result) == (State.DONE, shop.result)
