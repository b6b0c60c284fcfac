"""An extension that brought down three workers is left out of the next, and tried again once it is switched on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.jobs.helpers import MakeJob, running_house, with_loop
from webui.core.events import Failed, Finished
from webui.engine.config import EngineConfig
from webui.extension_switch import Switch
from webui.jobs.executors.local import LocalExecutor
from webui.plugins.loader import load_plugins


@with_loop
async def test_it_is_tried_again_once_it_is_switched_on(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.jobs.executors.local._RESTART_SECONDS", (0.01,))
    executor = LocalExecutor(EngineConfig(), "tests.jobs.fake_worker:deadly")
    async with running_house(tmp_path, executor) as house:
        ends: list[type[object]] = []

        async def off() -> Sequence[str]:
            """What is off in the settings once three jobs' workers have died or done them."""
            for _ in range(2):
                house.submit(job := make_job())
                ends.append(type(await house.end(job.id)))
            return house.settings.current.disabled_extensions

        assert await off() == ("deadly",)
        assert ends == [Failed, Finished]
        # Renewed for something else: it stays out.
        house.scheduler.renew()
        assert await off() == ("deadly",) and ends[-2:] == [Finished, Finished]
        # Somebody switches it on; nothing of the web process is to be switched for it.
        plugins = load_plugins((), "web")
        switch = Switch(
            plugins,
            lambda: house.settings.current.disabled_extensions,
            lambda registry: None,
            house.scheduler.renew,
            lambda: house.scheduler.blamed,
        )
        house.settings.update({"disabled_extensions": ()})
        house.scheduler.wake()
        await asyncio.sleep(0.1)
        assert house.settings.current.disabled_extensions == (), "what is on again is not switched off for what it did"
        switch.apply(asyncio.get_running_loop(), lambda folder: True)
        await asyncio.sleep(0)
        assert executor.status().left_out == ()
        assert await off() == ("deadly",), "and is counted anew"
        assert ends[-2:] == [Failed, Finished]
