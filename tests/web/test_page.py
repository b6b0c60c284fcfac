"""The edge around Gradio, on a page of its own: files through inputs, handlers by number, sessions, the head."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import Site, serving
from webui.core.job import Identity, Level
from webui.core.registry import Tab
from webui.web.access import identity_of
from webui.web.identity import Sharing
from webui.web.page import Sessions, handlers_of
from webui.web.problems import NotAllowed

SECRET = "the content of a file outside"
TABS = [
    Tab("Open", "x:y", "tab_open", 10),
    Tab("Own", "x:y", "tab_own", 20, owner_only=True),
]
_numbers = itertools.count()


def crash(_: str) -> str:
    raise RuntimeError("secret path /home/ann")


def read(path: str | None) -> str:
    return Path(path).read_text() if path else "nothing"


def pages() -> tuple[gr.Blocks, dict[str, int]]:
    """A page with handlers of every kind, and their numbers."""
    numbers = {}
    with gr.Blocks(analytics_enabled=False) as blocks:
        outside = gr.Textbox()
        with gr.Tab("Open", elem_id="tab_open"):
            file, shown, said = gr.File(), gr.Image(), gr.Textbox()
            numbers["read"] = gr.Button().click(read, file, said)
            numbers["show"] = gr.Button().click(lambda path: path, said, shown)
            numbers["who"] = gr.Button().click(_who, None, said, queue=False)
            numbers["crash"] = gr.Button().click(crash, said, said, queue=False)
            numbers["script"] = gr.Button().click(None, said, said, js="(x) => x")
        with gr.Tab("Own", elem_id="tab_own"), gr.Accordion():
            hidden = gr.Textbox()
            numbers["own"] = gr.Button().click(lambda: "owner's", None, hidden, queue=False)
        with gr.Tab("Stray", elem_id="tab_stray"):
            numbers["stray"] = gr.Button().click(lambda: "stray", None, None, queue=False)
        numbers["into own"] = gr.Button().click(lambda x: x, outside, hidden, queue=False)
    return blocks, dict(zip(numbers, blocks.fns, strict=True))


def _who(request: gr.Request) -> str:
    return str(identity_of(request).level)


@pytest.fixture(scope="module")
def numbers() -> dict[str, int]:
    return {}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, numbers: dict[str, int]) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("page")
    make_sham(home / "models" / "Stable-diffusion" / SHAM_NAME)
    (home / "secret.txt").write_text(SECRET)
    blocks, found = pages()
    numbers.update(found)
    with serving(home, Sharing(share=True), blocks=blocks, tabs=TABS) as running:
        yield running


def session() -> str:
    return f"session{next(_numbers)}"


def run(client: httpx.Client, number: int, *data: Any, name: str | None = None) -> httpx.Response:
    body = {"fn_index": number, "data": list(data), "session_hash": name or session()}
    return client.post("/gradio_api/run/predict", json=body)


def queued(client: httpx.Client, number: int, *data: Any) -> dict[str, Any]:
    """The last message of a handler that runs in Gradio's queue."""
    name = session()
    body = {"fn_index": number, "data": list(data), "session_hash": name}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": name}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line[5:]) if line.startswith("data:") else {}
            if message.get("msg") == "process_completed":
                return dict(message)
    raise AssertionError("no answer")


def test_no_file_of_the_disk_is_read_through_an_input(site: Site, numbers: dict[str, int]) -> None:
    outside = str(site.home / "secret.txt")
    for client in (site.visitor(), site.owner()):
        for path in (outside, "/etc/passwd"):
            given = {"path": path, "meta": {"_type": "gradio.FileData"}}
            answer = json.dumps(queued(client, numbers["read"], given))
            assert SECRET not in answer and "root:" not in answer
            assert '"success": false' in answer


def test_no_file_is_copied_out_through_an_output(site: Site, numbers: dict[str, int]) -> None:
    picture = site.home / "outputs" / "picture.png"
    picture.parent.mkdir(exist_ok=True)
    picture.write_bytes(b"not really")
    for path in ("/etc/hosts", str(site.home / "data" / "access.json")):
        assert queued(site.visitor(), numbers["show"], path)["success"] is False
    answer = queued(site.visitor(), numbers["show"], str(picture))
    assert answer["success"] is False
    assert "url" not in json.dumps(answer["output"])


def test_the_owners_own_upload_is_read_and_a_visitor_has_none(site: Site, numbers: dict[str, int]) -> None:
    owner = site.owner()
    upload = {"files": ("a.txt", b"uploaded words", "text/plain")}
    (path,) = owner.post("/gradio_api/upload", files=upload).raise_for_status().json()
    given = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert queued(owner, numbers["read"], given)["output"]["data"] == ["uploaded words"]
    assert owner.get(f"/gradio_api/file={path}").text == "uploaded words"
    visitor = site.visitor()
    assert visitor.get(f"/gradio_api/file={path}").status_code == 403
    assert visitor.post("/gradio_api/upload", files=upload).status_code == 403


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/x", "https://example.com/", "HTTP://a", "ftp://a", " http://a"]
)
def test_nothing_is_fetched_for_anybody(site: Site, address: str) -> None:
    for client in (site.owner(), site.visitor()):
        answer = client.get(f"/gradio_api/file={address}")
        assert answer.status_code == 403 and answer.headers["content-type"] == "application/problem+json"


def test_a_large_upload_is_refused(site: Site) -> None:
    def parts() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(70):
            yield b"a" * 2**20

    answer = site.owner().post(
        "/gradio_api/upload", content=parts(), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 413


def test_a_handler_knows_who_asks_also_from_the_queue(site: Site, numbers: dict[str, int]) -> None:
    assert run(site.visitor(), numbers["who"]).json()["data"] == ["visitor"]
    assert run(site.owner(), numbers["who"]).json()["data"] == ["owner"]
    assert queued(site.owner(), numbers["who"])["output"]["data"] == ["owner"]
    assert queued(site.visitor(), numbers["who"])["output"]["data"] == ["visitor"]


@pytest.mark.parametrize("name", ["own", "into own", "stray"])
def test_the_handlers_of_an_owners_tab_are_the_owners(site: Site, numbers: dict[str, int], name: str) -> None:
    data = ["x"] if name == "into own" else []
    assert run(site.owner(), numbers[name], *data).status_code == 200
    assert run(site.visitor(), numbers[name], *data).status_code == 403
    body = {"fn_index": numbers[name], "data": data, "session_hash": session()}
    assert site.visitor().post("/gradio_api/queue/join", json=body).status_code == 403


def test_calls_that_gradio_would_stumble_over_are_refused(site: Site, numbers: dict[str, int]) -> None:
    visitor = site.visitor()
    good = {"fn_index": numbers["who"], "data": [], "session_hash": session()}
    for change, status in (
        ({"fn_index": 999}, 404),
        ({"fn_index": numbers["script"], "data": ["x"]}, 404),
        ({"fn_index": "0"}, 404),
        ({"fn_index": None}, 404),
        ({"fn_index": True}, 404),
        ({"data": ["too", "many"]}, 422),
        ({"data": None}, 422),
        ({"batched": True}, 422),
        ({"session_hash": None}, 400),
        ({"session_hash": "a/../b"}, 400),
        ({"session_hash": "a" * 100}, 400),
        ({"session_hash": ["a"]}, 400),
    ):
        for path in ("queue/join", "run/predict"):
            answer = visitor.post(f"/gradio_api/{path}", json={**good, **change})
            assert answer.status_code == status, (change, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
    for body in (b'{"data": [NaN]}', b'{"data": ["\\ud800"]}', b"", b"[]"):
        assert visitor.post("/gradio_api/queue/join", content=body).status_code == 400
    assert visitor.post("/gradio_api/run/predict", json=good).status_code == 200


def test_a_session_is_its_first_users_alone(site: Site, numbers: dict[str, int]) -> None:
    victim, thief = site.visitor(), site.visitor()
    name = session()
    assert run(victim, numbers["who"], name=name).status_code == 200
    assert run(thief, numbers["who"], name=name).status_code == 403
    body = {"session_hash": name, "fn_index": numbers["who"], "event_id": "x"}
    for path in ("queue/join", "cancel", "reset"):
        assert thief.post(f"/gradio_api/{path}", json={**body, "data": []}).status_code == 403, path
    for path in (f"queue/data?session_hash={name}", f"heartbeat/{name}"):
        with thief.stream("GET", f"/gradio_api/{path}") as stream:
            assert stream.status_code == 403, path
    assert run(victim, numbers["who"], name=name).status_code == 200


def test_a_crashing_handler_tells_no_secret(site: Site, numbers: dict[str, int]) -> None:
    answer = run(site.visitor(), numbers["crash"], "x")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text and "mistake" in answer.json()["detail"]


def test_the_page_starts_in_its_scheme_and_runs_only_its_own_scripts(site: Site) -> None:
    page = site.visitor().get("/")
    head = page.text.partition("<head>")[2]
    assert head.startswith('<meta name="darkroom-root" content=""><script nonce="')
    nonce = head.partition('nonce="')[2].partition('"')[0]
    assert page.text.count("<script") == page.text.count(f'<script nonce="{nonce}"') > 3
    policy = page.headers["content-security-policy"]
    assert f"'nonce-{nonce}'" in policy and "script-src 'self' 'nonce-" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert nonce not in site.visitor().get("/").text
    assert page.headers["content-encoding"] == "gzip"
    assert page.headers["cache-control"] == "no-store"


def test_handlers_are_told_apart_by_their_tabs() -> None:
    blocks, found = pages()
    levels = {name: handlers_of(blocks, TABS)[number].level for name, number in found.items() if name != "script"}
    assert levels == {
        "read": Level.VISITOR,
        "show": Level.VISITOR,
        "who": Level.VISITOR,
        "crash": Level.VISITOR,
        "own": Level.OWNER,
        "stray": Level.OWNER,
        "into own": Level.OWNER,
    }
    assert found["script"] not in handlers_of(blocks, TABS)


def test_sessions_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webui.web.page._KEPT", 2)
    sessions, ann, bob = Sessions(), Identity("ann", Level.VISITOR), Identity("bob", Level.VISITOR)
    for name in ("one", "two", "one", "three"):
        sessions.claim(name, ann)
    sessions.claim("two", bob)
    with pytest.raises(NotAllowed):
        sessions.claim("three", bob)
