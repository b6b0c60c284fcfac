"""Works on models over HTTP: from a body to a job and its result, looks, tokens, and who may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_sham
from tests.engine.work.download.conftest import WEIGHTS, Server, file
from tests.jobs.workshop import MADE, MERGE, write_models
from tests.web.helpers import Site, finished, serving
from webui.web.identity import Sharing

ROUTES = ("merge", "convert", "prune", "download", "look", "works/merge")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A shared server with a workshop."""
    home = tmp_path_factory.mktemp("works")
    make_sham(write_models(home) / "sham")
    with serving(home, Sharing(share=True), page=False, works=True) as found:
        yield found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    found = Server()
    yield found
    found.close()


def test_a_merge_from_the_body_to_the_list(site: Site) -> None:
    owner = site.owner()
    answer = owner.post("/api/v1/models/merge", json={**MERGE, "bake_in_vae": None})
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["task"], job["summary"], job["result"]) == ("merge", MADE, None)
    assert job["request"]["primary_model_name"].startswith("one.safetensors")
    job = finished(owner, job["id"])
    assert job["state"] == "done" and job["timings"]["worked"] > 0
    folder = site.home / "models" / "Stable-diffusion"
    assert (job["result"]["name"], job["result"]["path"]) == (MADE, str(folder / MADE))
    titles = [checkpoint["title"] for checkpoint in owner.get("/api/v1/checkpoints").json()["checkpoints"]]
    assert any(title.startswith(MADE) for title in titles)
    again = owner.post("/api/v1/models/works/merge", json=MERGE)
    assert again.status_code == 409 and "is there already" in again.json()["detail"]
    assert again.json()["field"] == "target"


def test_works_and_pictures_are_listed_by_their_workplace(site: Site) -> None:
    owner = site.owner()
    work = owner.post("/api/v1/models/convert", json={"checkpoint": "one", "form": "diffusers", "name": "own"}).json()
    picture = owner.post("/api/v1/jobs", json={"prompt": "red", "steps": 1}).raise_for_status().json()

    def listed(workplace: str) -> list[str]:
        return [job["id"] for job in owner.get(f"/api/v1/jobs?limit=1&workplace={workplace}").json()["jobs"]]

    assert (listed("workshop"), listed("device")) == ([work["id"]], [picture["id"]])
    assert owner.get("/api/v1/jobs?workplace=attic").json()["field"] == "workplace"
    assert {finished(owner, job["id"])["state"] for job in (work, picture)} == {"done"}


def test_progress_comes_as_events(site: Site) -> None:
    owner = site.owner()
    job = owner.post("/api/v1/models/convert", json={"checkpoint": "one", "form": "diffusers", "name": "folder"}).json()
    with owner.stream("GET", f"/api/v1/jobs/{job['id']}/events") as stream:
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    shares = [event["fraction"] for event in events if event["event"] == "progress"]
    assert shares[-1] == 1.0
    assert events[-1]["event"] == "finished" and events[-1]["result"]["title"].startswith("folder")
    late = owner.get(f"/api/v1/jobs/{job['id']}").json()
    assert late["result"] == events[-1]["result"]


def test_a_download_is_looked_at_and_done(site: Site, server: Server) -> None:
    server.routes["/lora.safetensors"] = file()
    owner, body = site.owner(), {"address": f"{server.url}/lora.safetensors", "kind": "LoRA", "name": "mine"}
    found = owner.post("/api/v1/models/look", json=body).json()
    target = site.home / "models" / "Lora" / "mine.safetensors"
    assert (found["size_bytes"], found["kind"], found["target"]) == (len(WEIGHTS), "LoRA", str(target))
    assert not found["is_there"] and not target.exists()
    job = owner.post("/api/v1/models/download", json=body).json()
    job = finished(owner, job["id"])
    assert (job["state"], job["result"]["title"]) == ("done", ""), "a LoRA is no checkpoint"
    assert target.read_bytes() == WEIGHTS
    assert owner.post("/api/v1/models/look", json=body).json()["is_there"]
    gone = owner.post("/api/v1/models/download", json={"address": f"{server.url}/gone.safetensors"}).json()
    job = finished(owner, gone["id"])
    assert job["state"] == "failed" and "is not there" in job["problem"]["detail"]


def test_a_token_is_kept_and_never_shown(site: Site) -> None:
    owner, path = site.owner(), site.home / "data" / "tokens.json"
    body = {"host": "HuggingFace.co", "token": "hf_secret"}
    assert owner.put("/api/v1/models/tokens", json=body).status_code == 204
    assert json.loads(path.read_text()) == {"huggingface.co": "hf_secret"} and path.stat().st_mode & 0o777 == 0o600
    assert owner.get("/api/v1/models/tokens").status_code in (404, 405)
    assert owner.put("/api/v1/models/tokens", json={**body, "host": "a b"}).status_code == 422
    assert owner.put("/api/v1/models/tokens", json={**body, "token": "two words"}).status_code == 422
    assert owner.put("/api/v1/models/tokens", json={**body, "token": ""}).status_code == 204
    assert json.loads(Path(path).read_text()) == {}


def test_guests_work_on_nothing_and_see_no_work(site: Site) -> None:
    owner, guest = site.owner(), site.visitor()
    for route in ROUTES:
        assert guest.post(f"/api/v1/models/{route}", json=MERGE).status_code == 403, route
    assert guest.put("/api/v1/models/tokens", json={"host": "a.b", "token": "x"}).status_code == 403
    job = owner.post("/api/v1/models/prune", json={"checkpoint": "one", "name": "mine alone"}).json()
    assert guest.get(f"/api/v1/jobs/{job['id']}").status_code == 404
    assert guest.delete(f"/api/v1/jobs/{job['id']}").status_code == 404
    assert finished(owner, job["id"])["state"] == "done"


@pytest.mark.parametrize(
    ("route", "body", "field", "said"),
    [
        ("merge", {**MERGE, "multiplier": 3}, "multiplier", "from 0 to 1"),
        ("merge", {**MERGE, "multiplier": "much"}, "multiplier", "is a number"),
        ("merge", {**MERGE, "secondary_model_name": "gone"}, "secondary_model_name", "Unknown checkpoint"),
        ("merge", {**MERGE, "custom_name": "x" * 501}, "custom_name", "501 characters"),
        ("merge", {**MERGE, "format": "zip"}, "format", "'diffusers'"),
        ("merge", {**MERGE, "primary_model_name": "sham"}, "format", "sham cannot be one file"),
        ("convert", {"checkpoint": "sham"}, "form", "sham cannot be one file"),
        ("convert", {"checkpoint": 5}, "checkpoint", "is a text"),
        ("convert", {"checkpoint": "one", "precision": {"vae": "fp7"}}, "precision", "is one of"),
        ("prune", {"checkpoint": "one", "keep_ema": "yes"}, "keep_ema", "true or false"),
        ("prune", {"checkpoint": "sham"}, "checkpoint", "sham is a folder, which holds nothing that could be left out"),
        ("prune", {"chekpoint": "one"}, "chekpoint", "Did you mean 'checkpoint'"),
        ("download", {"address": ""}, "address", "Say what to get"),
        ("look", {"address": "https://example.org/x?token=abc"}, None, "password or token"),
        ("works/paint", {}, None, "Unknown work"),
    ],
)
def test_wrong_bodies_are_told_at_their_field(
    site: Site, route: str, body: dict[str, object], field: str | None, said: str
) -> None:
    answer = site.owner().post(f"/api/v1/models/{route}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field and said in answer.json()["detail"]


def test_a_server_without_a_workshop_says_so(alone: Site) -> None:
    answer = alone.client().post("/api/v1/models/merge", json=MERGE)
    assert answer.status_code == 409 and "no workshop" in answer.json()["detail"]


def test_the_bodies_are_described(alone: Site) -> None:
    document = alone.client().get("/openapi.json").json()
    body = document["paths"]["/api/v1/models/merge"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "target" not in body["properties"]
    assert body["properties"]["interp_method"]["enum"] == ["Weighted sum", "Add difference", "No interpolation"]
    assert body["properties"]["format"]["enum"] == ["safetensors", "ckpt", "diffusers"]
    assert body["properties"]["multiplier"]["anyOf"][0]["maximum"] == 1.0
