"""A worker's RAM over many swaps, and the fresh worker that takes the place of one whose RAM has grown."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psutil
import pytest

from tests.engine.helpers import write_checkpoint
from tests.jobs.helpers import House, running_house, with_loop
from tests.kill.real_worker import Tiny
from webui.core.events import Finished
from webui.core.job import Job, State
from webui.core.model_folders import ModelFolders
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.config import EngineConfig
from webui.jobs.executors.local import LocalExecutor

SWAPS = 100
SETTLED = 10
GROWTH = 0.03


@pytest.mark.slow
@with_loop
async def test_a_hundred_swaps_among_five_models_leave_the_ram_flat(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for seed in range(5):
        write_checkpoint(folder / f"tiny{seed}", seed)
    checkpoints = Catalogue([folder], tmp_path).all()
    config = EngineConfig(model_folders=ModelFolders((folder,)), device="cpu", threads=1, model_budget_bytes=1)
    executor = LocalExecutor(config)
    held: list[int] = []
    async with running_house(tmp_path, executor) as house:
        for n in range(SWAPS):
            checkpoint = checkpoints[n % len(checkpoints)]
            values = {"checkpoint": checkpoint.title, "checkpoint_hash": checkpoint.hash, "sampler_name": "Euler"}
            request = GenerationRequest(prompt="a red", steps=1, width=64, height=64, seed=n, **values)
            await _done(house, Job(f"job{n}", "ann", request, State.QUEUED, time.time(), time.time()))
            held.append(psutil.Process(executor.pid).memory_info().rss)
        load = executor.status().last_load
    assert load and load.dropped
    settled = held[SETTLED - 1]
    assert max(held[SETTLED:]) < settled * (1 + GROWTH), [round(rss / 2**20) for rss in held[::SETTLED]]


@with_loop
async def test_a_worker_whose_memory_has_grown_is_replaced_between_jobs(tmp_path: Path, tiny: Tiny) -> None:
    # Any growth at all, and even none, is more than this; it counts when it was found twice.
    executor = LocalExecutor(tiny.config(), drift=-(2**40))
    async with running_house(tmp_path, executor) as house:
        await _done(house, tiny.job("job0"))
        first = executor.pid
        for number in (1, 2, 3):
            await _done(house, tiny.job(f"job{number}", seed=number))
        # Its memory is judged when it has nothing to do, which may be a moment after a job's end is told.
        deadline = time.monotonic() + 60
        while first is not None and psutil.pid_exists(first) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert executor.pid != first and first is not None and not psutil.pid_exists(first)
        assert [house.queue.get(f"job{number}").attempts for number in range(4)] == [0] * 4


async def _done(house: House, job: Job) -> None:
    house.submit(job)
    assert isinstance(await house.end(job.id), Finished)
