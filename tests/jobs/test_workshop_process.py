"""The workshop's process: when one ends before the next begins, and which of its deaths are laid to a work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.jobs.helpers import with_loop
from tests.jobs.test_works_ends import work
from webui.core.events import Output
from webui.jobs.executors.base import Controls
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
