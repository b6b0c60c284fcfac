"""A work on models outlives its processes: the server is killed in the middle of a merge, and the file is whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from safetensors import safe_open

from tests.jobs.workshop import MADE, MERGE, write_models
from tests.kill.siege import Server, until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    write_models(tmp_path, ballast=100)
    found = Server(tmp_path)
    yield found
    found.end()


def progress(client: httpx.Client, job_id: str) -> float:
    """The share at the next event that tells one, or 2.0 when the job has ended."""
    with client.stream("GET", f"/api/v1/jobs/{job_id}/events") as stream:
        for line in stream.iter_lines():
            event = json.loads(line[6:]) if line.startswith("data: ") else {}
            if event.get("words") == "Merging" and event["fraction"] > 0.05:
                return float(event["fraction"])
    return 2.0


def test_a_server_killed_in_the_middle_of_a_merge_begins_it_again(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "Stable-diffusion"
    server.start()
    with server.client() as client:
        job = client.post("/api/v1/models/merge", json=MERGE).raise_for_status().json()
        assert progress(client, job["id"]) < 1, "it is killed before its end"
    server.kill_web()
    time.sleep(0.5)
    assert not (folder / MADE).exists(), "the workshop went with the server"
    server.start()
    with server.client() as client:

        def done() -> bool:
            found = client.get(f"/api/v1/jobs/{job['id']}").json()
            assert found["state"] in ("queued", "running", "done"), found
            return bool(found["state"] == "done")

        until(done, "the merge is done", every=0.2)
        assert client.get(f"/api/v1/jobs/{job['id']}").json()["attempts"] == 0
    with safe_open(folder / MADE, "pt") as opened:
        ballast = [name for name in opened.keys() if "ballast" in name]  # noqa: SIM118 - it is no mapping
        assert len(ballast) == 100
        assert all(float(opened.get_tensor(name).mean()) == 0.25 for name in ballast)
    assert server.stop() == 0
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [], "what the kill left is gone"
