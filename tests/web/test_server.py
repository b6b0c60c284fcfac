"""The server: ports, certificates, stopping, the page's own files."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sse_starlette.sse import AppStatus

from tests.web.helpers import Site, serving
from webui.web.identity import Sharing
from webui.web.server import NoPort, WebServer, open_socket


def test_a_taken_port_gives_the_next_free_one_and_says_so() -> None:
    first, said = open_socket("127.0.0.1", 0)
    port = first.getsockname()[1]
    assert said == ""
    second, said = open_socket("127.0.0.1", port)
    found = second.getsockname()[1]
    assert found > port and said == f"Port {port} is taken, so this one uses {found}."
    first.close()
    again, said = open_socket("127.0.0.1", port)
    assert again.getsockname()[1] == port and said == ""
    second.close()
    again.close()


def test_small_answers_do_not_wait_for_the_network(alone: Site) -> None:
    client = alone.client()
    taken = []
    for _ in range(15):
        begun = time.perf_counter()
        client.get("/favicon.ico")
        taken.append(time.perf_counter() - begun)
    # Held back by the system, every one of them takes 40 ms and more.
    assert min(taken[1:]) < 0.03


def test_no_port_at_all_is_a_sentence() -> None:
    taken, _ = open_socket("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(NoPort, match=f"port {port}"):
        open_socket("127.0.0.1", port, tries=1)
    taken.close()
    with pytest.raises(NoPort, match="cannot listen on 203"):
        open_socket("203.0.113.7", 7860, tries=2)
    with pytest.raises(NoPort):
        open_socket("127.0.0.1", 70_000)


def test_a_missing_certificate_is_a_sentence(tmp_path: Path) -> None:
    sock, _ = open_socket("127.0.0.1", 0)
    with pytest.raises(NoPort, match=r"certificate .*none\.pem is not there"):
        WebServer(FastAPI(), sock, certificate=tmp_path / "none.pem")
    (tmp_path / "key.pem").write_text("")
    with pytest.raises(NoPort, match="needs its certificate"):
        WebServer(FastAPI(), sock, key=tmp_path / "key.pem")
    sock.close()


def _serve(app: FastAPI, sock: socket.socket, **files: Path) -> tuple[WebServer, threading.Thread]:
    app.state.stopping = asyncio.Event()
    server = WebServer(app, sock, **files)
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.run_until_stopped(ready.set)), daemon=True)
    thread.start()
    assert ready.wait(10)
    return server, thread


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    app = FastAPI()
    app.add_api_route("/", lambda: "here")
    sock, _ = open_socket("127.0.0.1", 0)
    server, thread = _serve(app, sock, certificate=certificate, key=key)
    trusted = ssl.create_default_context(cafile=str(certificate))
    assert httpx.get(f"https://127.0.0.1:{server.port}/", verify=trusted).json() == "here"
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_stopping_lets_short_answers_finish() -> None:
    app = FastAPI()

    async def slow() -> str:
        begun.set()
        await asyncio.sleep(0.5)
        return "whole"

    begun = threading.Event()
    app.add_api_route("/", slow)
    sock, _ = open_socket("127.0.0.1", 0)
    server, thread = _serve(app, sock)
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(httpx.get(f"http://127.0.0.1:{server.port}/").json()))
    asking.start()
    assert begun.wait(10)
    server.stop()
    asking.join(10)
    thread.join(10)
    assert answers == ["whole"] and not thread.is_alive()
    with pytest.raises(OSError, match=r".*"):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_stops_the_server_and_lets_the_rest_be_put_down(name: str) -> None:
    app = FastAPI()
    app.state.stopping = asyncio.Event()
    sock, _ = open_socket("127.0.0.1", 0)
    server = WebServer(app, sock)

    async def run() -> str:
        loop = asyncio.get_running_loop()
        await server.run_until_stopped(lambda: loop.call_later(0.05, signal.raise_signal, getattr(signal, name)))
        await asyncio.sleep(0)
        return "the worker is put down"

    assert asyncio.run(run()) == "the worker is put down"
    assert app.state.stopping.is_set() and not AppStatus.should_exit


def test_gradios_own_open_streams_do_not_hold_the_stop(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("stop"), Sharing()) as site:
        stream = site.client().stream("GET", "/gradio_api/heartbeat/abc")
        stream.__enter__()
        begun = time.perf_counter()
    assert time.perf_counter() - begun < 2.5


def test_the_pages_files_are_kept_for_ever_under_names_of_their_content(alone: Site) -> None:
    client = alone.client()
    page = client.get("/").text
    addresses = [part.partition('"')[0] for part in page.split('"/assets-darkroom/')[1:]]
    assert len(addresses) > 5
    for name in addresses:
        answer = client.get(f"/assets-darkroom/{name}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip" and "set-cookie" not in answer.headers
        plain = client.get(f"/assets-darkroom/{name}", headers={"Accept-Encoding": "identity"})
        assert plain.content == answer.content and "content-encoding" not in plain.headers
    assert client.get("/assets-darkroom/none.js").status_code == 404
    assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
    assert "Disallow: /" in client.get("/robots.txt").text
