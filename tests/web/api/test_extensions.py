"""Extensions over HTTP: look, install, switch, remove, restart; the owner's alone, and never while shared."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.extension_life.conftest import extension, zipped
from tests.web.helpers import Site, serving
from webui.web.identity import Sharing

CODE = """
from webui.extend import Schedule, hookimpl

@hookimpl
def schedules():
    return [Schedule("Mine", "worker:mine")]

@hookimpl
def job_finished(job):
    pass
"""
BROKEN = "raise ValueError('not today')\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    folder = extension(home / "extensions" / "loaded", "loaded", code=CODE, permissions=["files"])
    (folder / "worker.py").write_text("def mine(steps): ...\n")
    extension(home / "extensions" / "torn", "torn", code=BROKEN)
    with serving(home, Sharing(), page=False) as running:
        yield running


def ended(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The action when it has ended."""
    assert answer.status_code == 202, answer.text
    work: dict[str, Any] = answer.json()
    until = time.monotonic() + 30
    while work["state"] == "running" and time.monotonic() < until:
        time.sleep(0.02)
        work = client.get(f"/api/v1/extensions/works/{work['id']}").json()
    return work


def cards(client: httpx.Client) -> dict[str, dict[str, Any]]:
    return {card["name"]: card for card in client.get("/api/v1/extensions").json()["extensions"]}


def test_a_card_says_what_was_really_loaded(site: Site) -> None:
    found = cards(site.owner())
    loaded, torn = found["loaded"], found["torn"]
    assert loaded["contributes"] == {"schedules": ["Mine"], "job_finished": []}
    assert (loaded["ok"], loaded["on"], loaded["next"], loaded["removable"]) == (True, True, "", True)
    assert loaded["permissions"][0]["name"] == "files"
    assert "not today" in torn["problem"] and "ValueError" in torn["trace"]
    assert torn["contributes"] == {}


def test_from_an_archive_to_the_bin(site: Site, tmp_path: Path) -> None:
    client = site.owner()
    source = extension(tmp_path / "source", "fresh", "1")
    archive = zipped(tmp_path / "a.zip", {f"top/{file.name}": file.read_bytes() for file in source.iterdir()})
    look = ended(client, client.post("/api/v1/extensions/look", json={"source": str(archive)}))
    plan = look["result"]
    assert (look["state"], plan["name"], plan["version"], plan["files"]) == ("done", "fresh", "1", 2)
    assert not (site.home / "extensions" / "fresh").exists()
    done = ended(client, client.post("/api/v1/extensions/install", json={"plan": plan["plan"]}))
    assert done["result"] == {"name": "fresh", "version": "1", "sha256": plan["sha256"]}
    card = cards(client)["fresh"]
    assert (card["next"], card["source"]["kind"], card["sha256"], card["ok"]) == (
        "added",
        "archive",
        plan["sha256"],
        False,
    )
    assert client.get("/api/v1/extensions").json()["restart"] is True
    assert client.post("/api/v1/extensions/fresh/disable").status_code == 204
    assert cards(client)["fresh"]["next"] == ""
    assert client.delete("/api/v1/extensions/fresh").status_code == 204
    assert "fresh" not in cards(client)
    assert client.post("/api/v1/extensions/fresh/restore").status_code == 204
    assert cards(client)["fresh"]["next"] == "added"
    client.delete("/api/v1/extensions/fresh")
    assert client.get("/api/v1/extensions").json()["restart"] is False


def test_switching_is_kept_in_the_settings(site: Site) -> None:
    client = site.owner()
    assert client.post("/api/v1/extensions/loaded/disable").status_code == 204
    assert (cards(client)["loaded"]["next"], cards(client)["loaded"]["ok"]) == ("", False)
    assert client.get("/api/v1/settings").json()["values"]["disabled_extensions"] == ["loaded"]
    assert ended(client, client.post("/api/v1/extensions/loaded/enable"))["state"] == "done"
    assert cards(client)["loaded"]["next"] == ""


def test_one_that_is_deleted_while_it_runs_has_a_card_still(site: Site) -> None:
    client = site.owner()
    folder = site.home / "extensions" / "loaded"
    folder.rename(site.home / "away")
    try:
        card = cards(client)["loaded"]
        assert (card["next"], card["version"], card["contributes"]["schedules"]) == ("removed", "1", ["Mine"])
        assert client.post("/api/v1/extensions/loaded/disable").status_code == 422
        assert client.delete("/api/v1/extensions/loaded").status_code == 422
        assert client.get("/api/v1/schedulers").status_code == 200
        job = client.post("/api/v1/jobs", json={"prompt": "a", "scheduler": "Mine", "steps": 1})
        assert job.status_code in (201, 422)
    finally:
        (site.home / "away").rename(folder)


def test_what_cannot_be_done_is_said_at_its_field(site: Site, tmp_path: Path) -> None:
    client = site.owner()
    refused = client.post("/api/v1/extensions/look", json={"source": "x", "sourec": "y"})
    assert (refused.status_code, "Did you mean 'source'" in refused.text) == (422, True)
    problem = ended(client, client.post("/api/v1/extensions/look", json={"source": "git://example.org/a"}))["problem"]
    assert (problem["field"], problem["status"]) == ("source", 422)
    evil = zipped(tmp_path / "evil.zip", {"../extension.toml": "x"})
    problem = ended(client, client.post("/api/v1/extensions/look", json={"source": str(evil)}))["problem"]
    assert "leads out of its folder" in problem["detail"]
    assert client.post("/api/v1/extensions/install", json={"plan": "none"}).status_code == 202
    assert client.get("/api/v1/extensions/works/none").status_code == 404
    for name in ("..%2F..", "%2e%2e", "nothing"):
        assert client.delete(f"/api/v1/extensions/{name}").status_code in (404, 405, 422)
    assert site.home.is_dir()


def test_lists_are_searched(site: Site, tmp_path: Path) -> None:
    client = site.owner()
    index = tmp_path / "index.json"
    index.write_text('{"extensions": [{"name": "grid", "source": "pypi:grid", "description": "thirds"}]}')
    client.patch("/api/v1/settings", json={"extension_indexes": f"{index}, {tmp_path}/gone.json"}).raise_for_status()
    found = client.get("/api/v1/extensions/search", params={"q": "thirds"}).json()
    assert [row["name"] for row in found["found"]] == ["grid"]
    assert "gone.json" in found["problems"][0]


CHANGES = (
    ("POST", "look"),
    ("POST", "install"),
    ("POST", "updates"),
    ("POST", "packages"),
    ("POST", "a/update"),
    ("POST", "a/enable"),
    ("POST", "a/disable"),
    ("POST", "a/restore"),
    ("DELETE", "a"),
    ("DELETE", "plans/a"),
    ("DELETE", "works/a"),
)


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_nothing_is_changed_while_the_page_is_shared(tmp_path: Path, shared: Site, method: str, path: str) -> None:
    answer = shared.owner().request(method, f"/api/v1/extensions/{path}", json={} if method == "POST" else None)
    assert answer.status_code == 409
    assert "--enable-insecure-extension-access" in answer.json()["detail"]
    for somebody in (shared.visitor(), shared.client()):
        assert somebody.request(method, f"/api/v1/extensions/{path}").status_code == 403


def test_the_owner_may_read_them_while_shared_and_guests_may_not(shared: Site) -> None:
    answer = shared.owner().get("/api/v1/extensions")
    assert answer.status_code == 200 and "--share" in answer.json()["locked"]
    assert shared.visitor().get("/api/v1/extensions").status_code == 403


def test_the_flag_unlocks_it_for_the_owner_alone() -> None:
    assert Sharing(share=True).locked and Sharing(listen=True).locked and Sharing(accounts={"a": "b"}).locked
    assert Sharing(share=True, insecure_extension_access=True).locked is None
    assert Sharing().locked is None


def test_a_restart_stops_the_server_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path / "home", Sharing(), page=False) as site:
        assert site.owner().post("/api/v1/restart").status_code == 202
        until = time.monotonic() + 10
        while not site.server.should_exit and time.monotonic() < until:
            time.sleep(0.01)
        assert (site.server.should_exit, site.app.state.again) == (True, True)
