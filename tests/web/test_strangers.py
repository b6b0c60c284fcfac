"""What a stranger on a shared link can see and do: their own things, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.web.helpers import TINY, Site, finished

SECRET = "the words of somebody else"


@pytest.fixture(scope="module")
def victim(shared: Site) -> httpx.Client:
    return shared.visitor()


@pytest.fixture(scope="module")
def job(victim: httpx.Client) -> dict[str, object]:
    made = victim.post("/api/v1/jobs", json={**TINY, "prompt": SECRET}).raise_for_status().json()
    done = finished(victim, made["id"])
    assert done["state"] == "done" and len(done["pictures"]) == 1
    return done


@pytest.fixture
def waiting(shared: Site, victim: httpx.Client) -> Iterator[str]:
    owner = shared.owner()
    owner.post("/api/v1/queue/pause").raise_for_status()
    made = victim.post("/api/v1/jobs", json={**TINY, "prompt": SECRET}).raise_for_status().json()
    yield made["id"]
    owner.post("/api/v1/queue/clear")
    owner.post("/api/v1/queue/resume")


def test_one_sees_ones_own(shared: Site, victim: httpx.Client, job: dict[str, object]) -> None:
    assert job["mine"] is True
    assert [j["id"] for j in victim.get("/api/v1/jobs").json()["jobs"]] == [job["id"]]
    (picture,) = victim.get("/api/v1/pictures").json()["pictures"]
    assert victim.get(picture["url"]).headers["content-type"] == "image/png"
    assert victim.get(picture["thumb"]).headers["content-type"] == "image/webp"
    assert str(shared.home) not in json.dumps(job) + json.dumps(picture)


def test_a_stranger_cannot_tell_that_it_exists(shared: Site, job: dict[str, object]) -> None:
    stranger = shared.visitor()
    picture = job["pictures"][0]["id"]  # type: ignore[index]
    for thing, missing in ((f"jobs/{job['id']}", "jobs/none"), (f"pictures/{picture}", "pictures/none")):
        parts = ["", "/events", "/preview"] if thing.startswith("jobs") else ["", "/file", "/thumb"]
        for part in parts:
            theirs, none = (stranger.get(f"/api/v1/{what}{part}") for what in (thing, missing))
            assert theirs.status_code == none.status_code == 404
            assert theirs.json() == none.json()
        verbs = ["interrupt", "skip"] if thing.startswith("jobs") else []
        for verb in verbs:
            theirs, none = (stranger.post(f"/api/v1/{what}/{verb}") for what in (thing, missing))
            assert theirs.status_code == 404 and theirs.json() == none.json()
        theirs, none = (stranger.delete(f"/api/v1/{what}") for what in (thing, missing))
        assert theirs.status_code == 404 and theirs.json() == none.json()
    assert shared.owner().get(f"/api/v1/jobs/{job['id']}").json()["state"] == "done"
    assert shared.owner().get(f"/api/v1/pictures/{picture}/file").status_code == 200


def test_lists_and_streams_show_nothing_of_others(shared: Site, job: dict[str, object], waiting: str) -> None:
    stranger = shared.visitor()
    for path in ("jobs", "pictures", "queue", "status", f"pictures?search={SECRET}", "jobs?state=queued"):
        text = stranger.get(f"/api/v1/{path}").text
        assert SECRET not in text and str(job["id"]) not in text and waiting not in text, path
    assert stranger.get("/api/v1/queue").json()["waiting"] == 1
    own = stranger.post("/api/v1/jobs", json=TINY).raise_for_status().json()["id"]
    with stranger.stream("GET", "/api/v1/events", params={"after": 1}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                assert json.loads(line[5:])["job"] == own
                break


def test_a_known_picture_is_not_served_from_the_browsers_word(shared: Site, job: dict[str, object]) -> None:
    picture = job["pictures"][0]  # type: ignore[index]
    tag = shared.owner().get(picture["url"]).headers["etag"]
    answer = shared.visitor().get(picture["url"], headers={"If-None-Match": tag})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "settings"),
        ("PATCH", "settings"),
        ("GET", "extensions"),
        ("POST", "checkpoints/refresh"),
        ("POST", "queue/pause"),
        ("POST", "queue/resume"),
        ("POST", "shutdown"),
        ("POST", "entrance"),
        ("POST", "jobs/{own}/front"),
        ("GET", "jobs?everyone=true"),
        ("GET", "events?everyone=true"),
    ],
)
def test_the_owners_rights_are_refused(shared: Site, method: str, path: str) -> None:
    stranger = shared.visitor()
    own = stranger.post("/api/v1/jobs", json=TINY).raise_for_status().json()["id"]
    body = {"live_previews_enable": False} if method == "PATCH" else None
    answer = stranger.request(method, "/api/v1/" + path.replace("{own}", own), json=body)
    assert answer.status_code == 403
    assert "owner" in answer.json()["detail"]
    assert shared.owner().get("/api/v1/settings").json()["values"]["live_previews_enable"] is True


def test_clearing_the_line_takes_only_ones_own(shared: Site, waiting: str) -> None:
    stranger = shared.visitor()
    own = stranger.post("/api/v1/jobs", json=TINY).raise_for_status().json()["id"]
    assert stranger.post("/api/v1/queue/clear").json() == {"cancelled": 1}
    owner = shared.owner()
    states = {j["id"]: j["state"] for j in owner.get("/api/v1/jobs?everyone=1").json()["jobs"]}
    assert (states[own], states[waiting]) == ("cancelled", "queued")


def test_a_guests_quota_holds(shared: Site, waiting: str) -> None:
    stranger = shared.visitor()
    answers = [stranger.post("/api/v1/jobs", json=TINY) for _ in range(8)]
    assert answers[0].status_code == 201
    assert answers[-1].status_code == 429 and "waiting" in answers[-1].json()["detail"]
    many = shared.visitor().post("/api/v1/jobs", json={**TINY, "n_iter": 50})
    assert many.status_code == 429 and many.json()["field"] == "n_iter"


def test_a_stolen_event_number_opens_nothing(shared: Site, victim: httpx.Client, job: dict[str, object]) -> None:
    numbers = []
    with victim.stream("GET", "/api/v1/events", params={"after": 1}) as stream:
        for line in stream.iter_lines():
            if line.startswith("id:"):
                numbers.append(int(line[3:]))
            if line.startswith("event: finished"):
                break
    stranger = shared.visitor()
    own = stranger.post("/api/v1/jobs", json=TINY).raise_for_status().json()["id"]
    with stranger.stream("GET", "/api/v1/events", headers={"Last-Event-ID": str(numbers[0] - 1)}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                assert json.loads(line[5:])["job"] == own
            if line.startswith("event: finished"):
                break


def test_the_owner_sees_all_and_whose(shared: Site, job: dict[str, object]) -> None:
    jobs = shared.owner().get("/api/v1/jobs?everyone=1").json()["jobs"]
    (theirs,) = [j for j in jobs if j["id"] == job["id"]]
    assert theirs["mine"] is False and theirs["owner"] == job["owner"]


def test_what_is_in_memory_and_why_a_worker_fails_is_the_owners_to_know(shared: Site) -> None:
    seen = {who: client.get("/api/v1/status").json() for who, client in
            (("owner", shared.owner()), ("visitor", shared.visitor()))}  # fmt: skip
    assert seen["visitor"]["worker"]["state"] == seen["owner"]["worker"]["state"] == "ready"
    hidden = {"detail": "", "free_bytes": None, "total_bytes": None, "models": [], "last_load": None}
    assert seen["visitor"]["workers"] == [{**worker, **hidden} for worker in seen["owner"]["workers"]]
    assert "no model is used" in seen["owner"]["worker"]["detail"]
