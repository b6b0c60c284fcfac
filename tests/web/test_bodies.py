"""JSON bodies: a corpus of broken ones, each answered with a sentence."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.web.helpers import Site
from webui.core.drawn import DRAWN, HIRES_DRAWN
from webui.core.fields import ROWS
from webui.core.groups import GROUPS
from webui.core.request import HASHES, RESOLVED
from webui.web.bodies import check, parse_object
from webui.web.field_schemas import request_model
from webui.web.problems import BadRequest

BROKEN = {
    "nothing but space": b"   ",
    "cut off": b'{"prompt": "a',
    "not json": b"prompt=a",
    "a list": b"[]",
    "null": b"null",
    "text": b'"a"',
    "a number": b"1",
    "NaN": b'{"cfg_scale": NaN}',
    "Infinity": b'{"cfg_scale": -Infinity}',
    "endless float": b'{"cfg_scale": 1e999999}',
    "endless int": b'{"seed": ' + b"9" * 5000 + b"}",
    "half a surrogate pair": b'{"prompt": "\\ud83d"}',
    "half a pair in a name": b'{"\\ud83d": 1}',
    "not utf-8": b'{"prompt": "\xff\xfe"}',
    "utf-16": '{"prompt": "a"}'.encode("utf-16"),
    "deep": b'{"prompt": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "twice": b'{"prompt": "a", "prompt": "b"}',
    "trailing": b'{"prompt": "a"} {"prompt": "b"}',
    "comment": b'{"prompt": "a"} // yes',
}
WRONG = {
    "unknown field": ({"promt": "a"}, "Did you mean 'prompt'?", "promt"),
    "unknown and far": ({"zzz": 1}, "There is no field 'zzz'", "zzz"),
    "steps 0": ({"steps": 0}, "between 1 and 150", "steps"),
    "steps 10000": ({"steps": 10_000}, "10000", "steps"),
    "steps as text": ({"steps": "20"}, "must be a number", "steps"),
    "steps 2.5": ({"steps": 2.5}, "whole number", "steps"),
    "steps true": ({"steps": True}, "must be a number", "steps"),
    "width 513": ({"width": 513}, "multiple of 8", "width"),
    "width huge": ({"width": 10**9}, "", "width"),
    "size over the bound": ({"width": 2048, "height": 2048, "batch_size": 8}, "million pixels", "batch_size"),
    "prompt of 100 kB": ({"prompt": "a" * 100_000}, "at most 20,000", "prompt"),
    "prompt a list": ({"prompt": ["a"]}, "must be text", "prompt"),
    "prompt an object": ({"prompt": {"a": 1}}, "must be text", "prompt"),
    "unknown sampler": ({"sampler_name": "Eulr a"}, "Did you mean 'Euler a'?", "sampler_name"),
    "unknown checkpoint": ({"checkpoint": "shamm"}, "Did you mean 'sham'?", "checkpoint"),
    "newer schema": ({"schema": 99}, "schema 99", "schema"),
    "seed negative": ({"seed": -2}, "", "seed"),
    "alone a number": ({"alone": 1}, "true or false", "alone"),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_a_problem_with_a_sentence(alone: Site, body: bytes) -> None:
    answer = alone.client().post("/api/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    problem = _problem(answer, 400)
    assert problem["type"] == "bad-request"
    with pytest.raises(BadRequest):
        parse_object(body)


@pytest.mark.parametrize(("values", "words", "field"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_names_its_field(alone: Site, values: dict[str, Any], words: str, field: str | None) -> None:
    answer = alone.client().post("/api/v1/jobs", json=values)
    problem = _problem(answer, 422)
    assert words in problem["detail"]
    assert problem["field"] == field


def test_several_wrong_values_are_told_at_once_the_first_one_first(alone: Site) -> None:
    wrong = {"promt": "a", "sampler_name": "Eulr a", "steps": 0, "width": 513, "checkpoint": "shamm", "schema": 99}
    problem = _problem(alone.client().post("/api/v1/jobs", json=wrong), 422)
    fields = ["schema", "checkpoint", "promt", "steps", "width", "sampler_name"]
    assert [fault["field"] for fault in problem["errors"]] == fields
    assert all(fault["detail"].endswith((".", "?")) for fault in problem["errors"])
    assert {name: problem[name] for name in ("detail", "field", "remedies")} == {
        name: problem["errors"][0][name] for name in ("detail", "field", "remedies")
    }
    assert problem["type"] == "invalid-request"


def test_one_wrong_value_stands_alone(alone: Site) -> None:
    problem = _problem(alone.client().post("/api/v1/jobs", json={"steps": 0}), 422)
    assert (problem["errors"], problem["type"]) == ([], "invalid-field")


def test_other_bodies_and_parameters_tell_all_at_once_too(alone: Site) -> None:
    client = alone.client()
    for answer, fields in (
        (client.post("/api/v1/tokens", json={"txt": "a"}), ["txt", "text"]),
        (client.get("/api/v1/jobs?limit=0&before=x"), ["limit", "before"]),
        (client.patch("/api/v1/settings", json={"png_compress_level": 99, "thme": 1}), ["thme", "png_compress_level"]),
    ):
        assert [fault["field"] for fault in _problem(answer, 422)["errors"]] == fields


@pytest.mark.parametrize("path", ["jobs", "tokens"])
def test_a_body_of_thousands_of_unknown_names_gets_a_short_answer(alone: Site, path: str) -> None:
    body = {f"prompt{number}": 0 for number in range(10_000)}
    refused = alone.client().post(f"/api/v1/{path}", json=body)
    assert refused.status_code == 422 and len(refused.content) < 10_000


def test_other_media_types_are_refused(alone: Site) -> None:
    answer = alone.client().post("/api/v1/jobs", content=b"a=1", headers={"Content-Type": "text/plain"})
    assert "application/json" in _problem(answer, 415)["detail"]


def test_a_large_body_is_refused_with_its_length_said_or_not(alone: Site) -> None:
    def drip() -> Any:
        for _ in range(64):
            yield b" " * 65_536

    for content in (b" " * 5_000_000, drip()):
        answer = alone.client().post("/api/v1/jobs", content=content)
        assert "256 kB" in _problem(answer, 413)["detail"]


def test_every_other_body_is_read_with_the_same_care(alone: Site) -> None:
    client = alone.client()
    for method, path in (("POST", "tokens"), ("POST", "infotext"), ("PATCH", "settings")):
        for body in BROKEN.values():
            answer = client.request(method, f"/api/v1/{path}", content=body)
            assert answer.status_code == 400, (path, body[:40], answer.text[:200])
    assert _problem(client.post("/api/v1/tokens", json={"txt": "a"}), 422)["field"] == "txt"
    assert _problem(client.post("/api/v1/tokens", json={"text": 5}), 422)["field"] == "text"
    assert "missing" in _problem(client.post("/api/v1/infotext", json={}), 422)["detail"]
    problem = _problem(client.patch("/api/v1/settings", json={"live_previews_enabled": False}), 422)
    assert "live_previews_enable" in problem["detail"]
    assert _problem(client.patch("/api/v1/settings", json={"png_compress_level": 99}), 422)["field"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=a", "limit=99999", "before=x", "before=nan", "state=lost", "limit=%00", "limit=1e9"]
)
def test_wrong_parameters_are_problems_that_do_not_repeat_them(alone: Site, query: str) -> None:
    answer = alone.client().get(f"/api/v1/jobs?{query}")
    problem = _problem(answer, 422)
    assert problem["field"] == query.partition("=")[0]


def test_the_models_bounds_are_the_rows() -> None:
    model = request_model(ROWS)
    assert isinstance(check(model, {"steps": 20, "cfg_scale": 7, "schema": 1}), BaseModel)
    properties = model.model_json_schema()["properties"]
    flat = {row.name for group in GROUPS.values() for row in (group.switch, *group.rows)}
    stored = {"schema", "extensions", DRAWN, HIRES_DRAWN, *HASHES, *RESOLVED}
    assert set(properties) == {row.name for row in ROWS} | flat | set(GROUPS) | stored
    assert properties["steps"]["anyOf"][0] == {"maximum": 150, "minimum": 1, "type": "integer"}
    assert properties["steps"]["default"] == 20


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status and problem["title"]
    assert problem["detail"].endswith((".", "?")) and len(problem["detail"]) < 600
    return problem


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([row.name for row in ROWS]) | st.sampled_from(["schema", *RESOLVED]) | st.text(max_size=9)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=st.dictionaries(NAMES, ANY_JSON, min_size=1, max_size=4))
def test_no_body_at_all_makes_a_server_error(alone: Site, values: dict[str, Any]) -> None:
    client = alone.owner()
    answer = client.post("/api/v1/jobs", content=json.dumps(values))
    if answer.status_code == 201:
        client.delete(f"/api/v1/jobs/{answer.json()['id']}")
    else:
        _problem(answer, answer.status_code)
    client.close()
    assert answer.status_code in (201, 400, 422)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_another_error(data: bytes) -> None:
    try:
        assert isinstance(parse_object(data), dict)
    except BadRequest as error:
        assert error.detail
