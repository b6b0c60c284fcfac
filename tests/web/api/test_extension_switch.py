"""Extensions switched while the program runs: rows, fields, hooks and files at once; tabs and the like at a start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import TINY, Site, finished, serving
from webui.jobs.executors.fake import FakeExecutor
from webui.ui.extension_assets import PageAssets
from webui.web.identity import Sharing

FULL = """
from webui.extend import Field, Finished, Route, Sampler, Schedule, Script, hookimpl

TOLD = []

@hookimpl
def fields():
    return [Field("width", "int", "Width", "How wide.", 1, minimum=1, maximum=9)]

@hookimpl
def schedules():
    return [Schedule("Mine", "worker:mine")]

@hookimpl
def scripts():
    return [Script("twice", "Twice", "extension:twice")]

@hookimpl
def routes():
    return [Route("told", "extension:told")]

def twice(request, options):
    yield [request]

def told(asked):
    return {"told": len(TOLD)}

@hookimpl
def job_event(job_id, event):
    if isinstance(event, Finished):
        TOLD.append(job_id)
"""
TAB = """
from webui.extend import Tab, hookimpl

@hookimpl
def tabs():
    return [Tab("Mine", "ui:build", "tab_mine", 95)]
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    make_sham(tmp_path / "models" / "Stable-diffusion" / SHAM_NAME)
    other = FULL.replace('"Mine"', '"Yours"').replace("twice", "thrice")
    for name, code in {"full": FULL, "other": other, "tab": TAB}.items():
        home = tmp_path / "extensions" / name
        (home / "web").mkdir(parents=True)
        (home / "extension.toml").write_text(f'name = "{name}"\nversion = "1"\napi = "1"\n')
        (home / "extension.py").write_text(code)
        (home / "web" / "a.js").write_text("1")
        for module in ("worker", "ui"):
            (home / f"{module}.py").write_text("")
    with serving(tmp_path, Sharing(), page=False) as made:
        yield made


def switch(site: Site, name: str, *, on: bool) -> dict[str, Any]:
    """The card after it."""
    client = site.owner()
    answer = client.post(f"/api/v1/extensions/{name}/{'enable' if on else 'disable'}").raise_for_status()
    while on and client.get(f"/api/v1/extensions/works/{answer.json()['id']}").json()["state"] == "running":
        time.sleep(0.02)
    return card(site, name)


def card(site: Site, name: str) -> dict[str, Any]:
    found = site.owner().get("/api/v1/extensions").json()
    (one,) = [one for one in found["extensions"] if one["name"] == name]
    return {**one, "restart": found["restart"]}


def what_there_is(site: Site) -> dict[str, bool]:
    client = site.owner()
    asked = {**TINY, "extensions": {"full": {"width": 2}}}
    return {
        "schedule": "Mine" in [row["name"] for row in client.get("/api/v1/schedulers").json()["schedulers"]],
        "fields": "full" in [panel["name"] for panel in client.get("/api/v1/fields").json()["extensions"]],
        "request": client.post("/api/v1/jobs", json=asked).status_code == 201,
        "script": "twice" in [row["name"] for row in client.get("/api/v1/scripts").json()["scripts"]],
        "route": client.get("/api/v1/x/full/told").status_code == 200,
        "document": "/api/v1/x/full/told" in client.get("/openapi.json").json()["paths"],
        "described": "full" in described(client),
        "file": any(name.endswith("-full-a.js") for name in PageAssets(site.house.plugins)),
        "hook": site.house.plugins.has("job_event")
        and any(one.call.extension == "full" for one in site.house.plugins.bound("job_event")),
    }


def described(client: httpx.Client) -> dict[str, Any]:
    """What /openapi.json says that a job may ask of extensions."""
    body = client.get("/openapi.json").json()["paths"]["/api/v1/jobs"]["post"]["requestBody"]
    found: dict[str, Any] = body["content"]["application/json"]["schema"]["properties"]["extensions"]["properties"]
    return found


def assert_all(site: Site, *, there: bool) -> None:
    found = what_there_is(site)
    assert found == dict.fromkeys(found, there)


def test_all_but_tabs_and_the_like_is_switched_at_once_and_back(site: Site) -> None:
    assert_all(site, there=True)
    off = switch(site, "full", on=False)
    assert (off["on"], off["next"], off["restart"], off["enabled"]) == (False, "", False, False)
    assert_all(site, there=False)
    on = switch(site, "full", on=True)
    assert (on["on"], on["ok"], on["next"], on["restart"]) == (True, True, "", False)
    assert_all(site, there=True)


def test_one_that_was_off_at_the_start_is_asked_for_like_any(tmp_path: Path) -> None:
    make_sham(tmp_path / "models" / "Stable-diffusion" / SHAM_NAME)
    home = tmp_path / "extensions" / "full"
    (home / "web").mkdir(parents=True)
    (home / "extension.toml").write_text('name = "full"\nversion = "1"\napi = "1"\n')
    (home / "extension.py").write_text(FULL)
    (home / "worker.py").write_text("")
    (home / "web" / "a.js").write_text("1")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.json").write_text('{"disabled_extensions": ["full"]}')
    with serving(tmp_path, Sharing(), page=False) as site:
        assert_all(site, there=False)
        switch(site, "full", on=True)
        assert_all(site, there=True)


def test_what_stays_on_keeps_what_it_knows(site: Site) -> None:
    client = site.owner()
    finished(client, client.post("/api/v1/jobs", json=TINY).json()["id"])
    while client.get("/api/v1/x/other/told").json()["told"] < 1:
        time.sleep(0.02)
    switch(site, "full", on=False)
    assert client.get("/api/v1/x/other/told").json()["told"] == 1
    switch(site, "full", on=True)
    assert client.get("/api/v1/x/other/told").json()["told"] == 1
    assert client.get("/api/v1/x/full/told").json()["told"] == 0, "it begins anew"


def test_a_tab_waits_for_a_start_and_others_are_switched_beside_it(site: Site) -> None:
    waits = switch(site, "tab", on=False)
    assert (waits["on"], waits["next"], waits["restart"], waits["ok"]) == (False, "off", True, True)
    assert switch(site, "full", on=False)["next"] == ""
    assert card(site, "tab")["next"] == "off" and not what_there_is(site)["schedule"]
    assert switch(site, "tab", on=True)["next"] == ""


def test_what_is_removed_goes_with_the_next_switch_but_for_what_waits_for_a_start(site: Site) -> None:
    for name in ("full", "tab"):
        site.owner().delete(f"/api/v1/extensions/{name}").raise_for_status()
    assert what_there_is(site)["schedule"] and card(site, "tab")["ok"]
    switch(site, "other", on=False)
    gone, waits = card(site, "full"), card(site, "tab")
    assert (gone["ok"], gone["next"], gone["problem"]) == (False, "removed", None)
    assert (waits["ok"], waits["next"], waits["problem"]) == (True, "removed", None)
    assert not what_there_is(site)["schedule"] and "Mine" in site.house.plugins.table("tabs")
    for name in ("full", "tab"):
        site.owner().post(f"/api/v1/extensions/{name}/restore").raise_for_status()
    assert (card(site, "full")["next"], card(site, "tab")["next"]) == ("on", "")
    switch(site, "other", on=True)
    assert card(site, "full")["next"] == "" and what_there_is(site)["schedule"]


def test_the_workers_follow_and_are_told_what_is_off_here(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(FakeExecutor, "renew", lambda self, disabled: told.append(tuple(disabled)))
    switch(site, "full", on=False)
    switch(site, "tab", on=False)
    switch(site, "full", on=True)
    assert told == [("full",), ()], "a tab that waits is on in the workers too"


def test_one_that_cannot_be_loaded_says_so_and_can_be_mended(site: Site) -> None:
    file = site.home / "extensions" / "full" / "extension.py"
    switch(site, "full", on=False)
    file.write_text("1 / 0")
    broken = switch(site, "full", on=True)
    assert not broken["ok"] and "ZeroDivisionError" in broken["problem"]
    assert what_there_is(site)["schedule"] is False and card(site, "other")["ok"]
    switch(site, "full", on=False)
    file.write_text(FULL)
    assert switch(site, "full", on=True)["ok"] and what_there_is(site)["schedule"]


def test_what_was_put_there_since_the_start_waits(site: Site) -> None:
    home = site.home / "extensions" / "late"
    home.mkdir()
    (home / "extension.toml").write_text('name = "late"\nversion = "1"\napi = "1"\n')
    (home / "extension.py").write_text("")
    switch(site, "full", on=False)
    assert card(site, "late")["next"] == "added"


def test_one_that_another_requires_is_not_taken_from_it(site: Site) -> None:
    (site.home / "extensions" / "other" / "extension.toml").write_text(
        'name = "other"\nversion = "1"\napi = "1"\nrequires = ["full"]\n'
    )
    answer = site.owner().post("/api/v1/extensions/full/disable")
    assert answer.status_code == 409 and card(site, "full")["ok"]
