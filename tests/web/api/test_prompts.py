"""Styles, wildcards and drawn prompts over HTTP: everybody may use them, the owner changes styles."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.web.helpers import Site

STYLES = 'name,prompt,negative_prompt\nPhoto,"photo of {prompt}, 35mm",drawing\n'


@pytest.fixture(autouse=True)
def files(alone: Site, shared: Site) -> None:
    """A style and a wildcard in both homes."""
    for site in (alone, shared):
        site.house.paths.style_files[0].write_text(STYLES, "utf-8")
        folder = site.house.paths.wildcards[0]
        folder.mkdir(exist_ok=True)
        (folder / "colour.txt").write_text("red\n2::blue\n", "utf-8")
        # Looks within a second are one.
        site.house.service.prompts._wildcards._looked = float("-inf")


def test_styles_are_listed_written_and_taken_out(alone: Site) -> None:
    client = alone.client()
    photo = {"name": "Photo", "prompt": "photo of {prompt}, 35mm", "negative_prompt": "drawing", "file": "styles.csv"}
    assert client.get("/api/v1/styles").json() == {"styles": [photo], "files": ["styles.csv"], "problems": []}
    new = {"name": "New", "prompt": "n"}
    saved = client.post("/api/v1/styles", json=new).raise_for_status().json()
    assert saved == {"name": "New", "prompt": "n", "negative_prompt": "", "file": "styles.csv"}
    assert client.get("/api/v1/styles").json()["styles"] == [photo, saved]
    assert (
        "New"
        in next(row for row in client.get("/api/v1/fields").json()["fields"] if row["name"] == "styles")["choices"]
    )
    assert client.delete("/api/v1/styles", params={"name": "New"}).status_code == 204
    assert client.delete("/api/v1/styles", params={"name": "New"}).status_code == 404
    assert alone.house.paths.style_files[0].read_text("utf-8") == STYLES


def test_a_visitor_uses_styles_and_changes_none(shared: Site) -> None:
    visitor = shared.visitor()
    assert [row["name"] for row in visitor.get("/api/v1/styles").json()["styles"]] == ["Photo"]
    assert visitor.post("/api/v1/styles", json={"name": "x"}).status_code == 403
    assert visitor.delete("/api/v1/styles", params={"name": "Photo"}).status_code == 403
    applied = visitor.post("/api/v1/styles/apply", json={"prompt": "cat", "styles": ["Photo"]}).json()
    assert applied == {"prompt": "photo of cat, 35mm", "negative_prompt": "drawing"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": "x"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "#x"}, "name"),
        ({"name": "x", "file": "../y.csv"}, "file"),
        ({"name": "x", "promt": ""}, "promt"),
        ({"name": 7}, "name"),
    ],
)
def test_what_is_no_style_is_refused(alone: Site, body: dict[str, object], field: str) -> None:
    answer = alone.client().post("/api/v1/styles", json=body)
    assert answer.status_code == 422
    assert answer.json()["field"] == field


def test_a_name_that_there_is_not_is_refused(alone: Site) -> None:
    answer = alone.client().post("/api/v1/styles/apply", json={"prompt": "x", "styles": ["Phot"]})
    assert answer.status_code == 422
    assert "Photo" in answer.json()["detail"]


def test_wildcards_and_their_values(alone: Site) -> None:
    client = alone.client()
    assert client.get("/api/v1/wildcards").json() == {"wildcards": [{"name": "colour", "values": 2}], "problems": []}
    found = client.get("/api/v1/wildcards/values", params={"name": "colo*", "limit": 1}).json()
    assert found == {"values": [{"text": "red", "weight": 1.0}], "total": 2}
    assert client.get("/api/v1/wildcards/values", params={"name": "../x"}).json()["total"] == 0


def test_a_file_that_is_left_out_is_told_to_the_owner_alone(shared: Site) -> None:
    bad: Path = shared.house.paths.wildcards[0] / "bad.yaml"
    bad.write_text("a: [", "utf-8")
    shared.house.service.prompts._wildcards._looked = float("-inf")
    assert "bad.yaml" in shared.owner().get("/api/v1/wildcards").json()["problems"][0]
    assert shared.visitor().get("/api/v1/wildcards").json()["problems"] == []
    bad.unlink()


def test_what_would_be_drawn_is_what_a_job_draws(alone: Site) -> None:
    client = alone.client()
    asked = {"prompt": "{a|b|c} __colour__", "styles": ["Photo"], "seed": 9}
    told = client.post("/api/v1/prompts/draw", json={**asked, "count": 3}).json()
    job = client.post("/api/v1/jobs", json={**asked, "n_iter": 3, "steps": 1, "width": 64, "height": 64}).json()
    assert job["request"]["drawn"]["all_prompts"] == told["all_prompts"]
    assert told["template"] == "photo of {a|b|c} __colour__, 35mm"
    assert (told["pictures"], told["seed"], told["notes"]) == (3, 9, [])
    every = client.post("/api/v1/prompts/draw", json={**asked, "count": 4, "combinatorial": True}).json()
    assert every["pictures"] == 6
    assert len(set(every["all_prompts"])) == 4


def test_the_notes_of_a_job_say_what_there_is_not(alone: Site) -> None:
    client = alone.client()
    job = client.post("/api/v1/jobs", json={"prompt": "__nothing__", "steps": 1, "width": 64, "height": 64}).json()
    assert job["notes"] == ["There is no wildcard 'nothing'. It was left as it is written."]
    assert client.get(f"/api/v1/jobs/{job['id']}").json()["notes"][0] == job["notes"][0]


def test_what_prompts_say_is_for_everybody_to_see(alone: Site, shared: Site) -> None:
    asked = {"prompt": "[cat:dog:0.5] <lora:nobody>", "styles": ["Photo"], "seed": 1, "steps": 10}
    told = shared.visitor().post("/api/v1/prompts/read", json=asked).raise_for_status().json()
    assert told["prompt"]["text"] == "photo of [cat:dog:0.5] <lora:nobody>, 35mm"
    assert [one["until"] for one in told["prompt"]["parts"][0]["stretches"]] == [0.5, 1.0]
    assert told["prompt"]["encoders"][0]["chunks"][0]["tokens"] == told["prompt"]["tokens"] > 0
    assert told["networks"][0]["problem"] == "Not found."
    wrong = alone.client().post("/api/v1/prompts/read", json={"prompt": "x", "stepz": 2})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "stepz")


def test_a_prompt_that_is_too_long_is_refused_in_the_words_of_a_job(alone: Site) -> None:
    client = alone.client()
    for field in ("prompt", "negative_prompt"):
        long = {"prompt": "x", field: "y" * 100_000}
        answers = [client.post(f"/api/v1/{path}", json=long) for path in ("jobs", "prompts/read", "styles/apply")]
        assert {answer.status_code for answer in answers} == {422}
        job, *others = (answer.json() for answer in answers)
        assert "is 100,000 characters long; at most 20,000 are taken." in job["detail"]
        for other in others:
            assert [other[key] for key in ("detail", "field", "remedies")] == [
                job[key] for key in ("detail", "field", "remedies")
            ]


def test_texts_are_drawn_for_whole_batches_and_variations(alone: Site) -> None:
    client = alone.client()
    asked = {"prompt": "{a|b|c|d|e|f}", "seed": 9, "batch_size": 2, "count": 3}
    told = client.post("/api/v1/prompts/draw", json=asked).json()
    assert (told["pictures"], len(told["all_prompts"])) == (4, 3)
    varied = client.post("/api/v1/prompts/draw", json={**asked, "subseed_strength": 0.5}).json()
    assert varied["all_prompts"][0] == told["all_prompts"][0] and varied["all_prompts"] != told["all_prompts"]


def test_names_for_a_prompt_begin_with_what_is_typed_first(alone: Site, shared: Site) -> None:
    for client in (alone.client(), shared.visitor()):
        told = client.get("/api/v1/prompts/names", params={"search": "O"}).json()["names"]
        assert [one["name"] for one in told if one["kind"] in ("style", "wildcard")] == ["colour", "Photo"]
    colour = client.get("/api/v1/prompts/names", params={"search": "col", "kind": "wildcard"}).json()["names"]
    assert colour == [{"kind": "wildcard", "name": "colour", "written": "__colour__", "note": "2"}]
    assert client.get("/api/v1/prompts/names", params={"kind": "other"}).status_code == 422


def test_everybody_is_told_their_own_recent_prompts_alone(shared: Site) -> None:
    owner, one, other = shared.owner(), shared.visitor(), shared.visitor()
    small = {"steps": 1, "width": 64, "height": 64}
    for client, prompt in ((one, "mine"), (one, "mine too"), (one, "mine"), (owner, "the owner's")):
        client.post("/api/v1/jobs", json={**small, "prompt": prompt, "styles": ["Photo"]}).raise_for_status()

    def told(client: httpx.Client) -> list[tuple[str, list[str]]]:
        found = client.get("/api/v1/prompts/recent").json()["prompts"]
        return [(prompt["prompt"], prompt["styles"]) for prompt in found]

    assert told(one) == [("mine", ["Photo"]), ("mine too", ["Photo"])]
    assert told(other) == []
    assert told(owner)[0] == ("the owner's", ["Photo"]) and "mine" not in [prompt for prompt, _ in told(owner)]
    assert len(one.get("/api/v1/prompts/recent", params={"limit": 1}).json()["prompts"]) == 1
