"""Downloads that came whole though nobody heard: the next start takes what lies there, if it is what was announced."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.work.download.conftest import WEIGHTS, Server, file
from tests.jobs.helpers import with_loop
from tests.jobs.workshop import works
from webui.core.events import Failed, Finished
from webui.core.job import Identity, Level
from webui.engine.work.base import Stopped
from webui.engine.work.download.fetch import FetchFiles
from webui.engine.work.download.found import Found, RemoteFile
from webui.jobs.executors.arrived import is_fetched

_OWNER = Identity("owner", Level.OWNER)
SHA = hashlib.sha256(WEIGHTS).hexdigest()
OTHER = WEIGHTS[:-1] + b"?"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Server()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("overwrite", "lies", "done"), [(False, WEIGHTS, True), (True, WEIGHTS, True), (False, OTHER, False)]
)
@with_loop
async def test_a_download_that_nobody_heard_of_is_done_and_another_file_is_not_taken_for_it(
    tmp_path: Path, server: Server, overwrite: bool, lies: bytes, done: bool
) -> None:
    server.routes["/m.safetensors"] = file(headers={"X-Linked-ETag": f'"{SHA}"'})
    place = tmp_path / "models" / "Stable-diffusion" / "m.safetensors"
    async with works(tmp_path) as shop:
        shop.house.service.pause(_OWNER)
        job = await shop.submit(
            "download", address=f"{server.url}/m.safetensors", kind="checkpoint", overwrite=overwrite
        )
        # As a kill leaves it between the rename and the end's row.
        shop.house.queue.start(job.id)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(lies)
    async with works(tmp_path) as shop:
        shop.house.service.resume(_OWNER)
        end = await shop.end(job)
    assert place.read_bytes() == lies and "GET" not in server.methods("/m.safetensors")
    if done:
        assert isinstance(end, Finished) and end.result is not None and end.result.name == place.name
    else:
        assert isinstance(end, Failed) and "is there already" in end.problem.detail


def _asked(target: Path, *files: RemoteFile, is_folder: bool = False, stop: bool = False) -> bool:
    found = Found(target.name, "checkpoint", files, is_folder=is_folder)
    return is_fetched(FetchFiles(found, target), lambda fraction, words: None, lambda: stop)


def test_a_sum_decides_and_without_one_the_size(tmp_path: Path) -> None:
    target = tmp_path / "m.safetensors"
    size = len(WEIGHTS)
    assert not _asked(target, RemoteFile("u", "m", size, SHA)), "nothing is there"
    target.write_bytes(WEIGHTS)
    assert _asked(target, RemoteFile("u", "m", size + 500, SHA)), "sizes are rounded"
    assert _asked(target, RemoteFile("u", "m", size))
    assert not _asked(target, RemoteFile("u", "m", size + 500)) and not _asked(target, RemoteFile("u", "m"))
    target.write_bytes(OTHER)
    assert not _asked(target, RemoteFile("u", "m", size, SHA))
    with pytest.raises(Stopped):
        _asked(target, RemoteFile("u", "m", size, SHA), stop=True)


def test_of_a_folder_every_file_counts(tmp_path: Path) -> None:
    target = tmp_path / "model"
    (target / "unet").mkdir(parents=True)
    (target / "model_index.json").write_text("{}")
    files = RemoteFile("u", "model_index.json", 2), RemoteFile("u", "unet/w.safetensors", len(WEIGHTS), SHA)
    assert not _asked(target, *files, is_folder=True)
    (target / "unet" / "w.safetensors").write_bytes(WEIGHTS)
    assert _asked(target, *files, is_folder=True)
