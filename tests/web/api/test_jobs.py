"""Jobs over HTTP: making them, the verbs, the line, the OpenAPI document."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import TINY, Site, finished, serving
from webui.core.errors import InvalidField
from webui.core.paths import PROGRAM_DIR
from webui.web.access import RIGHTS
from webui.web.identity import Sharing

ROUTES = {route for route in RIGHTS if " /api/v1/" in route}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Steps of a tenth of a second, so that there is time to press something."""
    home = tmp_path_factory.mktemp("slow")
    make_sham(home / "models" / "Stable-diffusion" / SHAM_NAME)
    with serving(home, Sharing(), page=False, step_seconds=0.1) as site:
        yield site


def running(site: Site, **values: object) -> str:
    """The id of a job that has begun its steps."""
    client = site.client()
    made = client.post("/api/v1/jobs", json={**TINY, "steps": 30, **values}).raise_for_status().json()
    with client.stream("GET", f"/api/v1/jobs/{made['id']}/events") as stream:
        assert any(line == "event: step" for line in stream.iter_lines())
    return str(made["id"])


def test_a_job_from_its_request_to_its_picture(alone: Site) -> None:
    client = alone.client()
    answer = client.post("/api/v1/jobs", json={**TINY, "seed": 7, "sampler_name": "Euler a Karras"})
    made = answer.json()
    assert answer.status_code == 201 and answer.headers["location"] == f"/api/v1/jobs/{made['id']}"
    assert made["state"] in ("queued", "running") and made["mine"] is True
    request = made["request"]
    assert (request["sampler_name"], request["scheduler"], request["seed"]) == ("Euler a", "Karras", 7)
    done = finished(client, made["id"])
    assert done["state"] == "done" and done["position"] is None and done["problem"] is None
    (picture,) = done["pictures"]
    assert (picture["seed"], picture["width"]) == (7, 64)
    assert re.fullmatch(r"0000\d-7\.png", picture["name"])
    assert "Steps: 2" in picture["infotext"]


def test_a_stored_request_can_be_sent_again(alone: Site) -> None:
    client = alone.client()
    first = finished(client, client.post("/api/v1/jobs", json=TINY).json()["id"])
    second = client.post("/api/v1/jobs", json=first["request"]).raise_for_status().json()
    assert second["request"] == first["request"]
    pictures = [finished(client, job["id"])["pictures"][0] for job in (first, second)]
    data = [client.get(picture["url"]).content for picture in pictures]
    assert data[0] == data[1]


def test_lists_have_pages(alone: Site) -> None:
    client = alone.client()
    ids = [client.post("/api/v1/jobs", json=TINY).json()["id"] for _ in range(3)]
    first = client.get("/api/v1/jobs?limit=2").json()
    assert [job["id"] for job in first["jobs"]] == ids[:0:-1]
    second = client.get(f"/api/v1/jobs?limit=1&before={first['next']}").json()
    assert [job["id"] for job in second["jobs"]] == ids[:1]
    for job_id in ids:
        finished(client, job_id)
    assert not {job["id"] for job in client.get("/api/v1/jobs?state=queued&state=running").json()["jobs"]} & set(ids)


def test_interrupt_finishes_the_picture_and_again_stops_at_once(slow: Site) -> None:
    client = slow.client()
    job = running(slow, n_iter=3, steps=6)
    assert client.post(f"/api/v1/jobs/{job}/interrupt").status_code == 202
    done = finished(client, job)
    assert done["interrupted"] is True and [p["stopped_at"] for p in done["pictures"]] == [None]
    job = running(slow, n_iter=3)
    client.post(f"/api/v1/jobs/{job}/interrupt")
    client.post(f"/api/v1/jobs/{job}/interrupt")
    done = finished(client, job)
    assert len(done["pictures"]) == 1 and 1 <= done["pictures"][0]["stopped_at"] < 30


def test_skip_goes_on_with_the_next(slow: Site) -> None:
    client = slow.client()
    job = running(slow, n_iter=2, steps=6)
    assert client.post(f"/api/v1/jobs/{job}/skip").status_code == 202
    done = finished(client, job)
    assert [p["stopped_at"] is None for p in done["pictures"]] == [False, True]


def test_cancel_abandons(slow: Site) -> None:
    client = slow.client()
    job = running(slow)
    assert client.delete(f"/api/v1/jobs/{job}").status_code == 204
    assert finished(client, job)["state"] == "cancelled"
    late = client.post(f"/api/v1/jobs/{job}/interrupt")
    assert late.status_code == 409 and late.headers["content-type"] == "application/problem+json"


def test_previews_come_while_somebody_follows(slow: Site) -> None:
    client = slow.client()
    made = client.post("/api/v1/jobs", json={**TINY, "steps": 10}).json()
    with client.stream("GET", f"/api/v1/jobs/{made['id']}/events") as stream:
        for line in stream.iter_lines():
            if line == "event: preview":
                preview = slow.client().get(f"/api/v1/jobs/{made['id']}/preview?v=1")
                break
    assert preview.headers["content-type"] == "image/jpeg" and preview.content[:2] == b"\xff\xd8"
    assert "no-store" in preview.headers["cache-control"]
    finished(client, made["id"])
    assert client.get(f"/api/v1/jobs/{made['id']}/preview").status_code == 404


def test_the_line_can_be_paused_reordered_and_cleared(slow: Site) -> None:
    client = slow.client()
    client.post("/api/v1/queue/pause").raise_for_status()
    first, second, third = (client.post("/api/v1/jobs", json=TINY).json()["id"] for _ in range(3))
    assert client.post(f"/api/v1/jobs/{third}/front").json()["position"] == 0
    queue = client.get("/api/v1/queue").json()
    assert (queue["waiting"], queue["paused"]) == (3, True)
    assert [job["id"] for job in queue["jobs"]] == [third, first, second]
    assert [job["position"] for job in queue["jobs"]] == [0, 1, 2]
    assert client.post("/api/v1/queue/clear").json() == {"cancelled": 3}
    client.post("/api/v1/queue/resume").raise_for_status()
    assert client.get("/api/v1/queue").json() == {"running": 0, "waiting": 0, "paused": False, "jobs": []}


def test_of_a_line_too_long_to_show_the_head_is_shown(slow: Site) -> None:
    client = slow.client()
    long = {**TINY, "steps": 150, "n_iter": 100}
    running = client.post("/api/v1/jobs", json=long).json()["id"]
    while client.get(f"/api/v1/jobs/{running}").json()["state"] != "running":
        time.sleep(0.01)
    client.post("/api/v1/queue/pause").raise_for_status()
    waiting = [client.post("/api/v1/jobs", json=TINY).json()["id"] for _ in range(201)]
    shown = client.get("/api/v1/queue").json()
    assert (shown["running"], shown["waiting"]) == (1, 201)
    assert [job["id"] for job in shown["jobs"]] == [running, *waiting[:199]]
    client.delete(f"/api/v1/jobs/{running}").raise_for_status()
    client.post("/api/v1/queue/clear").raise_for_status()
    client.post("/api/v1/queue/resume").raise_for_status()


def test_submitting_is_quick_while_jobs_run(slow: Site) -> None:
    client = slow.client()
    jobs = [running(slow)]
    begun = time.perf_counter()
    for _ in range(10):
        jobs.append(client.post("/api/v1/jobs", json=TINY).raise_for_status().json()["id"])
    assert time.perf_counter() - begun < 5
    for job in jobs:
        client.delete(f"/api/v1/jobs/{job}")


def test_the_openapi_document_names_every_route_and_its_problems(alone: Site) -> None:
    document = alone.client().get("/openapi.json").json()
    named = {f"{verb.upper()} {path}" for path, verbs in document["paths"].items() for verb in verbs}
    assert named == ROUTES
    submit = document["paths"]["/api/v1/jobs"]["post"]
    body = submit["requestBody"]["content"]["application/json"]["schema"]
    assert body["additionalProperties"] is False and "prompt" in body["properties"]
    names = set(document["components"]["schemas"])
    for path, verbs in document["paths"].items():
        for verb, route in verbs.items():
            assert route["summary"] and route["description"], (path, verb)
            problem = route["responses"]["403"]["content"]["application/problem+json"]["schema"]["$ref"]
            assert problem.rpartition("/")[2] in names
    described = document["components"]["schemas"]["ProblemOut"]["properties"]
    assert set(described) == set(InvalidField("No.").problem().to_json())
    assert submit["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith("/JobOut")


def test_the_guide_names_every_route() -> None:
    guide = (PROGRAM_DIR / "docs" / "api.md").read_text(encoding="utf-8")
    assert [name for name in sorted(ROUTES) if f"`{name}`" not in guide] == []
