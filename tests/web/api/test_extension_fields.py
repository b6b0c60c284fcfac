"""Fields of extensions over HTTP: listed, described, asked for, refused, read from a text, and kept as defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import TINY, Site, serving
from webui.web.identity import Sharing

JOBS, SETTINGS = "/api/v1/jobs", "/api/v1/settings"
DEMO = """
from webui.extend import Field, hookimpl

@hookimpl
def fields():
    return [
        Field("shift", "int", "Shift", "How far.", 0, minimum=0, maximum=10, step=1, multiple=2),
        Field("mode", "choice", "Mode", "Which way.", "left", choices=("left", "right")),
    ]
"""
TEXT = "x\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64, Demo Shift: 4, Other Shift: 1, Version: v1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("fields")
    make_sham(home / "models" / "Stable-diffusion" / SHAM_NAME)
    for name, source in {"demo": DEMO, "broken": "import nothing_there\n", "plain": ""}.items():
        folder = home / "extensions" / name
        folder.mkdir(parents=True)
        manifest = f'name = "{name}"\nversion = "1"\napi = "1"\ntitle = "{name.title()}"\ndescription = "Shifts."\n'
        (folder / "extension.toml").write_text(manifest, "utf-8")
        (folder / "extension.py").write_text(source, "utf-8")
    with serving(home, Sharing(), page=False) as running:
        yield running


def asked(site: Site, extensions: Any, **more: Any) -> Any:
    answer = site.client().post(JOBS, json={**TINY, "extensions": extensions, **more})
    return answer.json()["request"]["extensions"] if answer.status_code == 201 else answer.json()


def test_they_are_listed_and_described(site: Site) -> None:
    client = site.client()
    (panel,) = [one for one in client.get("/api/v1/fields").json()["extensions"] if one["name"] == "demo"]
    assert (panel["title"], panel["help"], panel["enabled"]) == ("Demo", "Shifts.", None)
    shift, mode = panel["fields"]
    assert (shift["name"], shift["kind"], shift["maximum"], mode["choices"]) == ("shift", "int", 10, ["left", "right"])
    body = client.get("/openapi.json").json()["paths"][JOBS]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]["properties"]["extensions"]["properties"]["demo"]
    assert schema["properties"]["shift"] == {
        **{"title": "Shift", "description": "How far.", "type": "integer", "default": 0},
        **{"minimum": 0, "maximum": 10, "multipleOf": 2},
    }
    assert schema["properties"]["mode"]["enum"] == ["left", "right"] and schema["additionalProperties"] is False


def test_a_job_has_what_it_asks_for_and_runs_again_as_it_was(site: Site) -> None:
    assert asked(site, {"demo": {"shift": 4}}) == {"demo": {"shift": 4, "mode": "left"}}
    assert asked(site, {}) == asked(site, None) == asked(site, {"demo": None, "gone": None, "broken": {}}) == {}
    client = site.client()
    first = client.post(JOBS, json={**TINY, "extensions": {"demo": {"shift": 4}}}).json()["request"]
    assert client.post(JOBS, json=first).json()["request"] == first


@pytest.mark.parametrize(
    ("extensions", "field", "words"),
    [
        ({"demo": {"shift": 12}}, "extensions.demo.shift", "between 0 and 10"),
        ({"demo": {"shift": 3}}, "extensions.demo.shift", "multiple of 2"),
        ({"demo": {"shfit": 2}}, "extensions.demo.shfit", "Did you mean 'shift'?"),
        ({"dmeo": {"shift": 2}}, "extensions.dmeo", "Did you mean 'demo'?"),
        ({"broken": {"x": 1}}, "extensions.broken", "cannot be used. Its extension.py failed to load"),
        ({"plain": {"x": 1}}, "extensions.plain", "It has no fields"),
        ([1], "extensions", "an object of objects"),
    ],
)
def test_what_cannot_be_taken_is_refused_at_its_place(site: Site, extensions: Any, field: str, words: str) -> None:
    problem = asked(site, extensions)
    assert (problem["status"], problem["field"]) == (422, field) and words in problem["detail"]


def test_a_text_is_read_with_them(site: Site) -> None:
    read = site.client().post("/api/v1/infotext", json={"text": TEXT}).json()
    assert read["values"]["extensions"]["demo"] == {"shift": 4} and read["unknown"]["Other Shift"] == "1"


def test_defaults_are_settings_of_their_own(site: Site) -> None:
    client = site.client()
    before = client.get(SETTINGS).json()
    assert before["values"]["extensions"]["demo"] == {"shift": 0, "mode": "left"}
    assert before["schema"]["properties"]["extensions"]["properties"]["demo"]["title"] == "Demo"
    try:
        after = client.patch(SETTINGS, json={"extensions": {"demo": {"shift": 6}}}).json()
        assert after["values"]["extensions"]["demo"] == {"shift": 6, "mode": "left"}
        assert client.get("/api/v1/status").json()["settings"]["extensions"] == {"demo": {"shift": 6}}
        assert client.post(JOBS, json=TINY).json()["request"]["extensions"] == {"demo": {"shift": 6, "mode": "left"}}
        assert asked(site, {"demo": None}) == {}
        for wrong in ({"demo": {"shift": 99}}, {"gone": {"x": 1}}, {"demo": 3}, 3, {"demo": {"shift": 8}, "gone": {}}):
            refused = client.patch(SETTINGS, json={"extensions": wrong, "png_compress_level": 2})
            assert refused.status_code == 422 and refused.json()["field"].startswith("extensions")
        assert client.get(SETTINGS).json() == after
    finally:
        client.patch(SETTINGS, json={"extensions": {"demo": {"shift": None}}}).raise_for_status()
    assert client.get(SETTINGS).json()["values"] == before["values"]
