"""What the owner sets for an extension itself: kept by itself, used in both processes, and shown to nobody else."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import TINY, Site, finished, serving
from webui.core.errors import DarkroomError
from webui.extend import own_settings
from webui.images import metadata
from webui.plugins.loader import load_plugins
from webui.web.identity import Sharing

KEY = "sk-0123456789-very-secret"
CODE = """
from webui.extend import Field, Route, Setting, hookimpl, own_settings

@hookimpl
def settings():
    return [
        Setting("key", "text", "Key", "Of the service.", "", maximum=100, secret=True),
        Setting("pages", "int", "Pages", "How many are asked for.", 2, minimum=1, maximum=9),
    ]

@hookimpl
def fields():
    return [Field("on", "bool", "On", "On.", False)]

@hookimpl
def routes():
    return [Route("length", "extension:length", level="visitor")]

def length(asked):
    return {"length": len(own_settings(__name__)["key"]), "pages": own_settings(__name__)["pages"]}
"""
WORKER = """
from webui.extend import own_settings

def key():
    return own_settings(__name__)["key"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("own")
    make_sham(folder / "models" / "Stable-diffusion" / SHAM_NAME)
    home = folder / "extensions" / "shop"
    home.mkdir(parents=True)
    (home / "extension.toml").write_text('name = "shop"\nversion = "1"\napi = "1"\n')
    (home / "extension.py").write_text(CODE)
    (home / "worker.py").write_text(WORKER)
    with serving(folder, Sharing(share=True), page=False) as made:
        yield made


def change(site: Site, **values: Any) -> dict[str, dict[str, Any]]:
    answer = site.owner().patch("/api/v1/extensions/shop/settings", json={"values": values})
    return {one["name"]: one for one in answer.raise_for_status().json()["settings"]}


def test_it_counts_at_once_in_both_processes_and_goes_back(site: Site) -> None:
    found = change(site, key=KEY, pages=5)
    assert (found["key"]["value"], found["key"]["is_set"], found["pages"]["value"]) == (None, True, 5)
    assert site.visitor().get("/api/v1/x/shop/length").json() == {"length": len(KEY), "pages": 5}
    worker = load_plugins([site.home / "extensions"], "worker", state=site.house.paths.state)
    assert worker.settings_of("shop")["key"] == KEY
    found = change(site, pages=None)
    assert (found["pages"]["value"], found["pages"]["is_set"], found["key"]["is_set"]) == (2, False, True)


def test_what_is_set_is_in_no_answer_no_picture_and_no_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    change(site, key=KEY)
    owner = site.owner()
    made = owner.post("/api/v1/jobs", json={**TINY, "extensions": {"shop": {"on": True}}}).json()
    (picture,) = finished(owner, made["id"])["pictures"]
    file = owner.get(picture["url"]).content
    assert metadata.read(file).request is not None and KEY.encode() not in file
    for path in ("extensions", "extensions/shop/settings", "settings", "status", "fields", f"jobs/{made['id']}"):
        assert KEY not in owner.get(f"/api/v1/{path}").raise_for_status().text, path
    for path in ("status", "fields", "scripts", "settings", "extensions/shop/settings"):
        assert KEY not in site.visitor().get(f"/api/v1/{path}").text, path
    assert KEY not in site.house.paths.settings.read_text() if site.house.paths.settings.exists() else True
    refused = owner.patch("/api/v1/extensions/shop/settings", json={"values": {"key": KEY * 10}})
    assert refused.status_code == 422 and KEY not in refused.text
    assert KEY not in caplog.text


def test_it_is_the_owner_s_alone(site: Site) -> None:
    guest = site.visitor()
    assert guest.get("/api/v1/extensions/shop/settings").status_code == 403
    assert guest.patch("/api/v1/extensions/shop/settings", json={"values": {"pages": 3}}).status_code == 403


@pytest.mark.parametrize("values", [{"pages": 99}, {"pages": "many"}, {"key": 5}, {"kee": "x"}, {"kee": None}])
def test_what_no_setting_takes_is_refused_whole(site: Site, values: dict[str, Any]) -> None:
    before = change(site, pages=4)
    asked = {"key": "other", **values}
    assert site.owner().patch("/api/v1/extensions/shop/settings", json={"values": asked}).status_code == 422
    assert change(site) == before
    assert site.owner().get("/api/v1/extensions/none/settings").status_code == 404


def test_the_file_is_nobody_else_s_to_read(site: Site) -> None:
    change(site, key=KEY)
    file = site.house.paths.state / "extension-settings.json"
    assert json.loads(file.read_text())["shop"]["key"] == KEY
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    try:
        answer = site.owner().get("/api/v1/extensions/shop/settings")
        assert answer.status_code == 507 and "chmod 600" in answer.text
    finally:
        file.chmod(0o600)


def test_what_was_stored_and_is_no_longer_taken_is_the_default(site: Site) -> None:
    file = site.house.paths.state / "extension-settings.json"
    change(site, key=KEY)
    file.write_text(json.dumps({"shop": {"pages": 99, "gone": 1, "key": "k"}, "other": {"x": 1}}))
    assert change(site, key="new")["pages"]["value"] == 2
    assert json.loads(file.read_text())["other"] == {"x": 1}


def test_only_an_extension_s_module_may_ask() -> None:
    with pytest.raises(DarkroomError, match="is no module of an extension"):
        own_settings(__name__)


def test_a_secret_has_no_default_to_be_seen(tmp_path: Path) -> None:
    (tmp_path / "extension.toml").write_text('name = "shop"\nversion = "1"\napi = "1"\n')
    (tmp_path / "extension.py").write_text(CODE.replace('"Of the service.", ""', '"Of the service.", "abc"'))
    (report,) = load_plugins([tmp_path], "web").reports
    assert not report.ok and "Its setting 'key' is secret" in report.problem
