"""What only the worker process finds wrong with an extension reaches the web process with the worker's state."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.jobs.helpers import with_loop
from tests.kill.real_worker import Tiny
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
        ((name, problem),) = executor.status().left_out
    finally:
        await executor.close()
    assert name == "broken" and "worker.py failed to load: ModuleNotFoundError" in problem
