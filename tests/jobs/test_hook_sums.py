"""What extensions' hooks have cost is summed over the processes that take each other's places."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.jobs.helpers import MakeJob, with_loop
from webui.engine.config import EngineConfig
from webui.jobs.executors.base import Controls
from webui.jobs.executors.local import LocalExecutor
from webui.plugins.meter import HookTime, summed


def test_times_of_one_hook_are_one_and_the_newest_trace_stays() -> None:
    a = HookTime("mine", "after_step", 2, 4.0, 3.0, 1, "old")
    b = HookTime("mine", "image_ready", 1, 1.0, 1.0)
    newer = HookTime("mine", "after_step", 1, 0.5, 0.5, 1, "new")
    assert summed((a, b, newer)) == (HookTime("mine", "after_step", 3, 4.5, 3.0, 2, "new"), b)
    assert summed((a, replace(newer, errors=0, trace="")))[0].trace == "old"


@with_loop
async def test_what_was_counted_is_kept_when_the_worker_is_renewed(make_job: MakeJob) -> None:
    executor = LocalExecutor(EngineConfig(), "tests.jobs.fake_worker:counts")
    await executor.start()
    try:
        pids = set()
        for _ in range(3):
            for _ in range(2):
                _ = [output async for output in executor.run(make_job(), Controls(), frozenset())]
            pids.add(pid := executor.pid)
            executor.renew(())
            kept = executor.status().hooks
            assert kept and kept[0].calls >= 1, "while none is there, too"
            async with asyncio.timeout(30):
                while executor.pid in (pid, None) or executor.status().state != "ready":
                    await asyncio.sleep(0.01)
        assert len(pids) == 3
        assert executor.status().hooks == (HookTime("mine", "after_step", 6, 12.0, 2.0, 3, "a trace"),)
    finally:
        await executor.close()


@with_loop
async def test_a_worker_is_told_what_the_one_before_has_said_of_extensions() -> None:
    executor = LocalExecutor(EngineConfig(), "tests.jobs.fake_worker:leaves_out")
    await executor.start()
    try:
        for said in ("nothing", "torn: It is torn."):
            async with asyncio.timeout(30):
                while executor.status().device != said:
                    await asyncio.sleep(0.01)
            assert [one.extension for one in executor.status().left_out] == ["torn"]
            executor.renew(())
    finally:
        await executor.close()
