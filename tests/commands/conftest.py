"""Commands on a temporary data folder: with a server on a fake executor, or with a fake executor of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.conftest import make_sham
from tests.web.helpers import TOKEN, Site, serving
from webui.core.paths import Paths
from webui.jobs.executors.fake import FakeExecutor
from webui.web.identity import Sharing


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a checkpoint in form only; a worker of our own is the fake one, and nothing else is read."""
    folder = tmp_path / "home"
    make_sham(folder / "models" / "Stable-diffusion" / "sham")
    monkeypatch.setattr("webui.app.LocalExecutor", lambda config: FakeExecutor(step_seconds=0.002))
    monkeypatch.setattr("webui.commands.common.start_logging", lambda level: None)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    """A running server, which holds the data folder as a real one does."""
    paths = Paths(data_dir=home)
    paths.state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(paths.state / "lock")
    with lock, serving(home, Sharing(), page=False) as running:
        paths.instance.write_text(json.dumps({"url": running.url, "token": TOKEN, "pid": 1}), "utf-8")
        yield running
