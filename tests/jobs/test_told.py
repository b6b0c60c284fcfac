"""Why an extension is left out is said in the log once: workers are told what the web process has said."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.extension_life.conftest import extension
from tests.jobs.helpers import with_loop
from webui.app import compose
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.engine.config import EngineConfig
from webui.jobs.executors.local import LocalExecutor


@with_loop
async def test_the_first_worker_knows_what_the_web_process_has_said(tmp_path: Path) -> None:
    paths = Paths(data_dir=tmp_path, program_dir=tmp_path)
    for name, api in {"old": "9", "fine": "1", "off": "9"}.items():
        extension(tmp_path / "extensions" / name, name, api=api)
    workers = [LocalExecutor(EngineConfig(), "tests.jobs.fake_worker:leaves_out") for _ in range(2)]
    settings = SettingsStore(paths.settings, {"disabled_extensions": ("off",)})
    house = compose(paths, settings, workers)
    async with house.running():
        for worker in workers:
            while worker.status().state != "ready":
                await asyncio.sleep(0.01)
        (said,) = house.plugins.left_out()
        assert said[0] == "old" and "version 9 of the contract" in said[1]
        assert [worker.status().device for worker in workers] == [": ".join(said)] * 2
