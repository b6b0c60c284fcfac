"""Two real engines in worker processes of their own, behind one line on one CPU."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.jobs.helpers import at_step, running_house, with_loop
from tests.kill.real_worker import Tiny
from webui.app import local_workers
from webui.core.events import Finished
from webui.engine.config import one_each
from webui.jobs.executors.local import LocalExecutor


@with_loop
async def test_two_workers_share_the_line_and_a_death_costs_only_its_own(tmp_path: Path, tiny: Tiny) -> None:
    first, second = local_workers(one_each(tiny.config(threads=0, warm_checkpoint=""), ("cpu", "cpu")))
    assert isinstance(first, LocalExecutor) and isinstance(second, LocalExecutor)
    async with running_house(tmp_path, first, second) as house:
        while not (first.status().holds("tiny") and second.status().holds("tiny")):
            await asyncio.sleep(0.05)
        devices = [worker.status().device for worker in (first, second)]
        assert [device.partition(",")[0] for device in devices] == ["cpu (1)", "cpu (2)"]
        assert all("1 thread," in device for device in devices) or (os.cpu_count() or 1) > 3
        # A pair with the same request: one of each comes to either worker.
        jobs = [tiny.job(f"job{n}", seed=n // 2, steps=60) for n in range(4)]
        house.submit(*jobs)
        for job in jobs:
            await house.until(job.id, at_step(1, 2))
        hit, spared = (set(worker.jobs) for worker in house.scheduler.workers)
        assert len(hit) == len(spared) == 2
        assert first.pid != second.pid
        os.kill(first.pid, signal.SIGKILL)  # type: ignore[arg-type]
        for job in jobs:
            assert isinstance(await house.end(job.id), Finished)
        attempts = {name: house.queue.get(name).attempts for name in hit | spared}
        assert attempts == {**dict.fromkeys(hit, 1), **dict.fromkeys(spared, 0)}
        assert len(house.files()) == 4
