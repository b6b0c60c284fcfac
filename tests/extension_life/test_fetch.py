"""Archives and lists from a server: fetched within limits, pinned by their sum, never taken half."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.extension_life.conftest import House, extension, zipped
from webui.core.errors import DarkroomError, NotFound
from webui.extension_life import fetch as module
from webui.extension_life.content import Limits
from webui.extension_life.index import Indexes
from webui.extension_life.task import Stopped, Task


class Server:
    """Answers with the bytes of `files`; None stands for bytes without end, shorter ones than `length` break off."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | None] = {}
        self.length: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.partition("?")[0]
                if name not in outer.files:
                    self.send_error(404)
                    return
                data = outer.files[name]
                self.send_response(200)
                if data is not None:
                    self.send_header("Content-Length", str(outer.length or len(data)))
                self.end_headers()
                try:
                    if data is not None:
                        self.wfile.write(data)
                    while data is None:
                        self.wfile.write(bytes(65_536))
                except OSError:
                    return

            def log_message(self, *arguments: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    source = extension(tmp_path / "source")
    return zipped(tmp_path / "a.zip", {f"top/{file.name}": file.read_bytes() for file in source.iterdir()}).read_bytes()


def test_an_archive_is_pinned_by_its_own_sum(house: House, server: Server, archive: bytes, task: Task) -> None:
    server.files["/a.zip"] = archive
    total = hashlib.sha256(archive).hexdigest()
    plan = house.life.look(f"{server.url}/a.zip?x=1", task, sha256=total)
    assert (plan.staged.pin, plan.staged.manifest.name) == (total, "mine")
    house.life.install(plan.id, task)
    server.files["/a.zip"] = archive + b"changed"
    with pytest.raises(DarkroomError, match="not what was announced"):
        house.life.look(f"{server.url}/a.zip", task, sha256=total)
    assert not house.hidden()


def test_one_without_end_is_ended(house: House, server: Server, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMITS", Limits(bytes=2**20))
    server.files["/a.zip"] = None
    with pytest.raises(DarkroomError, match="More than 1 MB came"):
        house.life.look(f"{server.url}/a.zip", task)
    assert not house.hidden()


def test_what_is_not_there_or_breaks_off_is_said(house: House, server: Server, archive: bytes, task: Task) -> None:
    with pytest.raises(NotFound):
        house.life.look(f"{server.url}/gone.zip", task)
    server.files["/a.zip"], server.length = archive, len(archive) + 10
    with pytest.raises(DarkroomError, match="could not be asked"):
        house.life.look(f"{server.url}/a.zip", task)
    server.http.server_close()
    assert not house.hidden()


def test_a_download_is_stopped_by_the_person(house: House, server: Server, task: Task) -> None:
    server.files["/a.zip"] = None
    threading.Timer(0.3, task.stop).start()
    with pytest.raises(Stopped):
        house.life.look(f"{server.url}/a.zip", task)
    assert not house.hidden()


def test_who_stops_it_does_not_wait_for_a_server_that_says_nothing(house: House, task: Task) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Timer(0.3, task.stop).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            house.life.look(f"http://127.0.0.1:{silent.getsockname()[1]}/a.zip", task)
        assert time.monotonic() - began < 20
    assert not house.hidden()


def test_a_list_from_a_server_is_kept_for_a_while(server: Server, tmp_path: Path) -> None:
    server.files["/x.json"] = b'{"extensions": [{"name": "grid", "source": "pypi:grid"}]}'
    indexes = Indexes(tmp_path / "tokens")
    address = f"{server.url}/x.json"
    assert [row.name for row in indexes.all([address]).rows] == ["grid"]
    del server.files["/x.json"]
    assert [row.name for row in indexes.all([address]).rows] == ["grid"]
    assert "could not be read" in Indexes(tmp_path / "tokens").all([address]).problems[0]
    server.files["/x.json"] = None
    assert "far too long" in Indexes(tmp_path / "tokens").all([address]).problems[0]
