"""What only the worker process finds wrong with an extension reaches the web process with the worker's state."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.jobs.helpers import running_house, with_loop
from tests.kill.real_worker import Tiny
from webui.core.events import Failed, Finished
from webui.jobs.executors.blame import DEATHS
from webui.plugins.loader import load_plugins


@with_loop
async def test_a_worker_says_which_extensions_it_could_not_load(tmp_path: Path, tiny: Tiny) -> None:
    for name, source in {"fine": "", "broken": "import nothing_there\n", "off": "import nothing_there\n"}.items():
        folder = tmp_path / name
        folder.mkdir()
        manifest = f'name = "{name}"\nversion = "1"\ntitle = "{name}"\napi = "1"\n'
        (folder / "extension.toml").write_text(manifest, encoding="utf-8")
        (folder / "extension.py").write_text("", encoding="utf-8")
        (folder / "worker.py").write_text(source, encoding="utf-8")
    assert all(report.ok for report in load_plugins([tmp_path], "web").reports)
    executor = tiny.worker(extension_folders=(tmp_path,), disabled_extensions=("off",))
    await executor.start()
    try:
        while executor.status().state != "ready":
            await asyncio.sleep(0.05)
        ((name, problem, trace),) = executor.status().left_out
    finally:
        await executor.close()
    assert name == "broken" and "worker.py failed to load: ModuleNotFoundError" in problem
    assert "import nothing_there" in trace


HEAD = "import os\nfrom webui.extend import hookimpl\n"


def write(folder: Path, name: str, worker: str) -> Path:
    home = folder / name
    home.mkdir(parents=True)
    (home / "extension.toml").write_text(f'name = "{name}"\nversion = "1"\napi = "1"\n', encoding="utf-8")
    (home / "worker.py").write_text(HEAD + worker, encoding="utf-8")
    return home


# Three deaths are three starts of a real worker; that they are counted up to three is tested in tests/jobs without.
@pytest.mark.parametrize("deaths", [1, pytest.param(DEATHS, marks=pytest.mark.slow)])
@with_loop
async def test_an_extension_that_brings_down_so_many_workers_is_switched_off(
    tmp_path: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    monkeypatch.setattr("webui.jobs.executors.blame.DEATHS", deaths)
    monkeypatch.setattr("webui.jobs.executors.local._RESTART_SECONDS", (0.01,))
    write(tmp_path / "extensions", "deadly", "@hookimpl\ndef before_step(step):\n    os._exit(9) if step else None\n")
    executor = tiny.worker(extension_folders=(tmp_path / "extensions",))
    async with running_house(tmp_path, executor) as house:
        house.submit(tiny.job("one", steps=3))
        end = await house.end("one")
        if deaths == DEATHS:
            assert isinstance(end, Failed) and "It was inside the extension 'deadly'." in end.problem.detail
        house.submit(tiny.job("two", steps=3))
        assert isinstance(await house.end("two"), Finished)
        assert "deadly" in house.settings.current.disabled_extensions
        assert executor.status().blamed == ("deadly",)
        ((extension, problem, _),) = executor.status().left_out
        assert extension == "deadly" and f"{deaths} workers in a row died inside it" in problem
        executor.renew(())
        assert executor.status().blamed == () and executor.status().left_out == ()


@with_loop
async def test_a_worker_tells_what_hooks_cost_and_its_log_takes_so_many_lines(
    tmp_path: Path, tiny: Tiny, caplog: pytest.LogCaptureFixture
) -> None:
    body = "@hookimpl\ndef after_step(step):\n    print('x' * 99 + '\\n' * 5000)\n    print('y' * 3_000_000)\n"
    write(tmp_path / "extensions", "talker", body)
    executor = tiny.worker(extension_folders=(tmp_path / "extensions",))
    with caplog.at_level(logging.INFO):
        async with running_house(tmp_path, executor) as house:
            house.submit(tiny.job("one", steps=3))
            assert isinstance(await house.end("one"), Finished)
            while not executor.status().hooks:
                await asyncio.sleep(0.05)
            (time,) = executor.status().hooks
    assert (time.extension, time.hook, time.calls, time.errors) == ("talker", "after_step", 3, 0)
    lines = [record for record in caplog.records if record.getMessage().startswith("worker: ")]
    assert 0 < len(lines) <= 2 * 200 + 2
    assert max(len(record.getMessage()) for record in lines) < 2100
