"""A real worker gives its memory back on demand, and loads again what the next job needs."""

from __future__ import annotations

from pathlib import Path

from tests.jobs.helpers import at_step, running_house, with_loop
from tests.kill.real_worker import Tiny
from webui.core.events import Finished, Loading
from webui.core.model_memory import Unloaded


@with_loop
async def test_a_model_in_use_stays_and_an_unloaded_one_comes_back_with_the_next_job(
    tmp_path: Path, tiny: Tiny
) -> None:
    executor = tiny.worker()
    assert await executor.unload() == Unloaded(), "no worker yet, so nothing to wait for"
    async with running_house(tmp_path, executor) as house:
        house.submit(tiny.job("long", steps=150))
        await house.until("long", at_step(1, 2))
        assert await executor.unload() == Unloaded((), ("tiny",))
        house.scheduler.cancel("long")
        await house.end("long")
        while (unloaded := await executor.unload()) != Unloaded(("tiny",)):
            assert unloaded == Unloaded((), ("tiny",))
        assert executor.status().models == ()
        house.submit(tiny.job("again"))
        assert isinstance(await house.end("again"), Finished)
        assert any(isinstance(event, Loading) for event in house.events["again"])
        (model,) = executor.status().models
        load = executor.status().last_load
        assert model.name == "tiny" and model.size_bytes > 10_000 and load and load.name == "tiny"
