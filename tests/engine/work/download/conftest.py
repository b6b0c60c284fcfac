"""A server on this machine that does what a test tells it to, as badly as it likes."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import save

from webui.engine.work.download import stream

WEIGHTS = save({f"model.diffusion_model.{n}": torch.full((5000,), float(n)) for n in range(20)})


class Server:
    """routes: from a path to a function that answers by the handler; seen: (method, path, headers) of each request."""

    def __init__(self):
        self.routes, self.seen = {}, []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.seen.append((self.command, self.path, dict(self.headers)))
                route = server.routes.get(self.path.partition("?")[0])
                if route is None:
                    answer(self, 404)
                else:
                    route(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def methods(self, path):
        return [method for method, seen, _ in self.seen if seen == path]

    def sent(self, path, header):
        """What was sent in a header of each request for a path."""
        return [headers.get(header) for _, seen, headers in self.seen if seen == path]


def answer(handler, status, data=b"", headers=None, length=None):
    """An answer; `length` is what it claims."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data) if length is None else length))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data)
    if length is not None and length != len(data):
        handler.close_connection = True


def file(data=WEIGHTS, headers=None, etag='"one"', ranges=True, cut=None):
    """A route to a file; it honours Range and If-Range. cut: after how many bytes the next answers break off."""
    cuts = list(cut or [])

    def route(handler):
        named = {"ETag": etag, "Accept-Ranges": "bytes", **(headers or {})}
        asked, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
        start, end, status = 0, len(data), 200
        if ranges and asked and condition in (None, etag):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end, status = int(first), int(last) + 1 if last else len(data), 206
            if start >= len(data):
                answer(handler, 416)
                return
            end = min(end, len(data))
            named["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        piece = data[start:end]
        if cuts and handler.command == "GET" and len(piece) > 10_000:
            answer(handler, status, piece[: cuts.pop(0)], named, len(piece))
        else:
            answer(handler, status, piece, named)

    return route


def redirect(url, status=302, headers=None):
    return lambda handler: answer(handler, status, headers={"Location": url, **(headers or {})})


def json_route(text):
    return lambda handler: answer(handler, 200, text.encode(), {"Content-Type": "application/json"})


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def other():
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """No test waits between tries, and none goes through a proxy."""
    monkeypatch.setattr(stream, "_PAUSE", 0.0)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
