"""The gate: hosts, origins, tunnels, unknown addresses, limits, headers, crashes."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.web.helpers import TINY, TUNNEL, Site, serving
from webui.web.identity import Sharing

EVIL = "https://evil.example"


def refused(answer: httpx.Response, status: int = 403) -> bool:
    return answer.status_code == status and answer.headers["content-type"] == "application/problem+json"


def test_a_name_that_was_made_to_point_here_is_refused(alone: Site) -> None:
    client = alone.client()
    for path in ("/", "/api/v1/status", "/config", "/theme.css"):
        assert refused(client.get(path, headers={"Host": "evil.example:7860"})), path
        assert refused(client.get(path, headers={"Host": ""})), path
    assert client.get("/", headers={"Host": f"localhost:{alone.server.port}"}).status_code == 200


def test_two_host_headers_are_refused(alone: Site) -> None:
    with socket.create_connection(("127.0.0.1", alone.server.port)) as raw:
        raw.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert raw.recv(100).split()[1] in (b"400", b"403")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_other_sites_may_not_ask(alone: Site, headers: dict[str, str]) -> None:
    client = alone.client(**headers)
    for method, path in (
        ("POST", "/api/v1/jobs"),
        ("GET", "/api/v1/jobs"),
        ("PATCH", "/api/v1/settings"),
        ("POST", "/gradio_api/queue/join"),
        ("GET", "/"),
        ("OPTIONS", "/api/v1/jobs"),
    ):
        answer = client.request(method, path, json=TINY if method in ("POST", "PATCH") else None)
        assert refused(answer), (method, path)
        assert "access-control-allow-origin" not in answer.headers


def test_the_page_itself_and_links_to_it_may(alone: Site) -> None:
    own = {"Origin": alone.url, "Sec-Fetch-Site": "same-origin"}
    assert alone.client(**own).post("/api/v1/tokens", json={"text": "a"}).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert alone.client(**link).get("/").status_code == 200
    assert refused(alone.client(**link).post("/api/v1/tokens", json={"text": "a"}))


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(tmp_path_factory.mktemp("named"), Sharing(origins=("https://art.example",)), page=False) as site:
        yield site


def test_a_named_origin_may_ask_and_read(named: Site) -> None:
    client = named.client(Origin="https://art.example")
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    allowed = client.options("/api/v1/jobs", headers=ask)
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "https://art.example"
    assert "POST" in allowed.headers["access-control-allow-methods"]
    answer = client.post("/api/v1/tokens", json={"text": "a"})
    assert answer.headers["access-control-allow-origin"] == "https://art.example"
    assert "Origin" in answer.headers["vary"]
    assert refused(named.client(Origin="https://art.example.evil.example").get("/api/v1/status"))


def test_what_comes_through_a_tunnel_is_a_visitors(alone: Site, shared: Site) -> None:
    for site in (alone, shared):
        client = site.client(**TUNNEL)
        assert client.get("/api/v1/status").json()["you"]["level"] == "visitor"
        for method, path in (
            ("GET", "/api/v1/settings"),
            ("PATCH", "/api/v1/settings"),
            ("GET", "/api/v1/extensions"),
            ("POST", "/api/v1/queue/pause"),
            ("POST", "/api/v1/shutdown"),
            ("POST", "/api/v1/entrance"),
            ("GET", "/api/v1/jobs?everyone=1"),
            ("GET", "/api/v1/events?everyone=1"),
        ):
            assert client.request(method, path).status_code == 403, path


def test_a_forwarded_host_does_not_get_into_the_page(alone: Site) -> None:
    page = alone.client(**TUNNEL | {"X-Forwarded-Host": "evil.example"}).get("/")
    assert page.status_code == 200
    assert "evil.example" not in page.text


def test_unknown_addresses_and_methods_are_problems(alone: Site) -> None:
    client = alone.client()
    for path in ("/api/v1/nothing", "/api", "/sdapi/v1/txt2img", "/.env", "/api/v1/jobs/", "//api/v1/jobs", "/docs"):
        assert refused(client.get(path), 404), path
    answer = client.put("/api/v1/jobs", json={})
    assert refused(answer, 405)
    assert "GET" in answer.json()["detail"] and "POST" in answer.json()["detail"]


def test_odd_addresses_are_no_crash(alone: Site) -> None:
    client = alone.client()
    for path in (
        "/assets/" + "a" * 300,
        "/static/" + "a" * 300,
        "/static/%00",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/../../etc/passwd",
        "/assets-darkroom/..%2fserver.py",
        "/?page=settings",
        "/?deep_link=x",
        "/config?page=nothing&deep_link=../x",
        "/api/v1/jobs/%00",
        "/api/v1/jobs/" + "a" * 5000,
        "/api/v1/pictures/..%2f..%2fetc/file",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/heartbeat/" + "a" * 100,
    ):
        with client.stream("GET", path) as answer:
            assert answer.status_code < 500, path
            assert answer.status_code in (200, 400, 403, 404), path
            assert b"root:" not in answer.read()


def test_headers_are_on_every_answer(alone: Site) -> None:
    client = alone.client()
    for path in ("/", "/api/v1/status", "/nothing", "/theme.css", "/favicon.ico", "/config"):
        headers = client.get(path, headers={"Origin": alone.url}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers and "server" not in headers


def test_answers_are_kept_only_where_they_cannot_change(alone: Site) -> None:
    client = alone.client()
    for path in ("/api/v1/status", "/nothing", "/config", "/openapi.json", "/assets/none.js"):
        assert client.get(path).headers["cache-control"] == "no-store", path
    bundle = next(part.partition('"')[0] for part in client.get("/").text.split('"./assets/')[1:])
    assert "immutable" in client.get(f"/assets/{bundle}").headers["cache-control"]
    assert client.get("/theme.css").headers["cache-control"] == "public, max-age=3600"


def test_a_fast_visitor_is_slowed_down(shared: Site) -> None:
    visitor, other = shared.visitor(), shared.visitor()
    answers = [visitor.post("/api/v1/queue/clear") for _ in range(60)]
    slowed = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == 200 and slowed
    assert "Try again in" in slowed[0].json()["detail"]
    assert other.post("/api/v1/queue/clear").status_code == 200


def test_open_streams_are_limited(shared: Site) -> None:
    visitor = shared.visitor()
    opened = []
    statuses = []
    try:
        for _ in range(9):
            stream = visitor.stream("GET", "/api/v1/events")
            statuses.append(stream.__enter__().status_code)
            opened.append(stream)
    finally:
        for stream in opened:
            stream.__exit__(None, None, None)
    assert statuses == [200] * 8 + [429]


def test_a_crash_is_a_sentence_with_a_report_that_the_log_has(
    alone: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("secret path /home/ann")

    monkeypatch.setattr(alone.house.service, "job", crash)
    with caplog.at_level(logging.ERROR):
        answer = alone.client().get("/api/v1/jobs/x")
    assert refused(answer, 500)
    problem = answer.json()
    assert "secret" not in answer.text and problem["report"] in problem["detail"]
    assert problem["report"] in caplog.text and "secret path" in caplog.text


@pytest.mark.parametrize("prefix", ["/sub", ""], ids=["kept by the proxy", "taken off by the proxy"])
def test_a_subpath_works(tmp_path: Path, prefix: str) -> None:
    with serving(tmp_path, Sharing(subpath="sub/")) as site:
        client = site.client()
        page = client.get(f"{prefix}/")
        assert page.status_code == 200
        assert f'"root":"{site.url}/sub"' in page.text and '"/sub/assets-darkroom/' in page.text
        address = page.text.partition('href="/sub/assets-darkroom/')[2].partition('"')[0]
        assert client.get(f"{prefix}/assets-darkroom/{address}").status_code == 200
        assert client.get(f"{prefix}/api/v1/status").status_code == 200
        assert client.get(f"{prefix}/theme.css").status_code == 200


def test_websockets_are_refused(alone: Site) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with alone.client(**upgrade).stream("GET", "/api/v1/status") as answer:
        assert answer.status_code != 101
