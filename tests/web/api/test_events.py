"""The event stream: numbered, resumable without loss, ended by the job or by the server's stop."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import TINY, Site, serving
from webui.web.api import events as module
from webui.web.identity import Sharing


@dataclass
class Seen:
    id: int
    name: str
    data: dict[str, Any]


def read(stream: httpx.Response) -> Iterator[Seen]:
    """The events of an open stream."""
    parts: dict[str, str] = {}
    for line in stream.iter_lines():
        if line:
            name, _, value = line.partition(":")
            parts[name] = value.strip()
        elif "data" in parts:
            yield Seen(int(parts.get("id", 0)), parts["event"], json.loads(parts["data"]))
            parts = {}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    make_sham(tmp_path / "models" / "Stable-diffusion" / SHAM_NAME)
    with serving(tmp_path, Sharing(), page=False, step_seconds=0.03) as running:
        yield running


def test_a_followers_stream_from_the_line_to_the_end(site: Site) -> None:
    client = site.client()
    job = client.post("/api/v1/jobs", json={**TINY, "n_iter": 2, "steps": 4}).json()["id"]
    with client.stream("GET", f"/api/v1/jobs/{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in stream.headers
        seen = list(read(stream))
    names = [event.name for event in seen]
    assert names[-1] == "finished" and names.count("image") == 2 and "step" in names
    assert [event.id for event in seen] == sorted({event.id for event in seen})
    assert all(event.data["job"] == job and event.data["mine"] and event.data["event"] == event.name for event in seen)
    image = next(event.data for event in seen if event.name == "image")
    assert client.get(f"/api/v1/pictures/{image['id']}").json()["infotext"] == image["infotext"]


@pytest.mark.parametrize("by", ["header", "query"])
@pytest.mark.parametrize("address", ["/api/v1/jobs/{job}/events", "/api/v1/events"])
def test_coming_back_loses_nothing_and_repeats_nothing(site: Site, address: str, by: str) -> None:
    client = site.client()
    job = client.post("/api/v1/jobs", json={**TINY, "n_iter": 4, "steps": 5}).json()["id"]
    seen: list[Seen] = []
    for _ in range(200):
        last = str(seen[-1].id) if seen else ""
        came_back: dict[str, Any] = (
            {"headers": {"Last-Event-ID": last}} if by == "header" else {"params": {"after": last}}
        )
        with client.stream("GET", address.format(job=job), **(came_back if last else {})) as stream:
            for event in read(stream):
                seen.append(event)
                # Every connection is lost after a picture, or after a few steps.
                if event.name in ("image", "finished") or len(seen) % 4 == 0:
                    break
        if seen[-1].name == "finished":
            break
    assert [event.id for event in seen] == sorted({event.id for event in seen})
    assert [event.data["index"] for event in seen if event.name == "image"] == [0, 1, 2, 3]
    assert [event.name for event in seen].count("finished") == 1


def test_coming_back_after_the_end_gives_what_was_missed(site: Site) -> None:
    client = site.client()
    job = client.post("/api/v1/jobs", json={**TINY, "n_iter": 2}).json()["id"]
    with client.stream("GET", f"/api/v1/jobs/{job}/events") as stream:
        first = next(event for event in read(stream) if event.name == "image")
    while client.get(f"/api/v1/jobs/{job}").json()["state"] != "done":
        time.sleep(0.02)
    with client.stream("GET", "/api/v1/events", headers={"Last-Event-ID": str(first.id)}) as stream:
        missed = []
        for event in read(stream):
            missed.append((event.name, event.data.get("index")))
            if event.name == "finished":
                break
    assert missed == [("image", 1), ("finished", None)]


def test_all_ones_jobs_come_in_one_stream(site: Site) -> None:
    client = site.client()
    with client.stream("GET", "/api/v1/events") as stream:
        jobs = {site.client().post("/api/v1/jobs", json=TINY).json()["id"] for _ in range(3)}
        ended = set()
        for event in read(stream):
            if event.name == "finished":
                ended.add(event.data["job"])
                if ended == jobs:
                    break
    assert ended == jobs


def test_who_asks_for_it_is_told_of_new_models_among_the_jobs(site: Site) -> None:
    news = site.house.service.cards.news
    with site.client().stream("GET", "/api/v1/events", params={"models": True}) as stream:
        events = read(stream)
        first, second = next(events), next(events)
        assert (first.name, first.id, second.name) == ("models", 0, "models"), "one at once, one of the first look"
        job = site.client().post("/api/v1/jobs", json=TINY).json()["id"]
        seen = list(iter(lambda: next(events).name, "finished"))
        assert "image" in seen and "models" not in seen and site.client().get(f"/api/v1/jobs/{job}").is_success
        make_sham(site.home / "models" / "Stable-diffusion" / "another")
        told = next(events)
        assert told.name == "models" and told.data["revision"] not in (first.data["revision"], second.data["revision"])
        assert "another" in [one["name"] for one in site.client().get("/api/v1/checkpoints").json()["checkpoints"]]
    until = time.monotonic() + 10
    while news._looking and time.monotonic() < until:
        time.sleep(0.02)
    assert news._looking is None, "nobody looks once nobody listens"


def test_who_does_not_ask_for_it_is_not_told_of_models(site: Site) -> None:
    with site.client().stream("GET", "/api/v1/events") as stream:
        site.client().post("/api/v1/jobs", json=TINY)
        events = read(stream)
        seen = list(iter(lambda: next(events).name, "finished"))
    assert "models" not in seen and site.house.service.cards.news._looking is None


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 40, "%00", "٣"])
def test_a_number_that_is_none_is_refused(site: Site, last: str) -> None:
    answer = site.client().get("/api/v1/events", params={"after": last})
    assert answer.status_code == 422 and answer.json()["field"] == "after"


def test_a_quiet_stream_beats(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.1)
    with site.client().stream("GET", "/api/v1/events") as stream:
        comments = [line for line, _ in zip(stream.iter_lines(), range(9), strict=False) if line.startswith(":")]
    assert len(comments) >= 3


def test_streams_end_at_once_when_the_server_stops(site: Site) -> None:
    job = site.client().post("/api/v1/jobs", json={**TINY, "steps": 150}).json()["id"]
    ended: list[float] = []

    def follow(path: str) -> None:
        with site.client().stream("GET", path) as stream:
            opened.release()
            for _ in stream.iter_lines():
                pass
        ended.append(time.perf_counter())

    opened = threading.Semaphore(0)
    paths = ["/api/v1/events", f"/api/v1/jobs/{job}/events", "/api/v1/events?everyone=1"]
    followers = [threading.Thread(target=follow, args=(path,)) for path in paths]
    for follower in followers:
        follower.start()
    for _ in paths:
        assert opened.acquire(timeout=10)
    begun = time.perf_counter()
    site.server.stop()
    for follower in followers:
        follower.join(10)
    assert len(ended) == 3 and max(ended) - begun < 1.5
