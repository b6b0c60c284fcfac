"""The workers' memory over the API: what is in it, what unloading does, and whose it is to know."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import serving
from webui.web.identity import Sharing


def test_a_model_is_shown_while_it_is_in_memory_and_stays_while_a_job_has_it(tmp_path: Path) -> None:
    make_sham(tmp_path / "models" / "Stable-diffusion" / SHAM_NAME)
    with serving(tmp_path, Sharing(), page=False, step_seconds=0.02) as site:
        client = site.client()

        def until(wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
            deadline = time.monotonic() + 20
            while not wanted(worker := client.get("/api/v1/status").json()["worker"]):
                assert time.monotonic() < deadline, worker
                time.sleep(0.01)
            found: dict[str, Any] = worker
            return found

        def unload() -> list[dict[str, Any]]:
            workers: list[dict[str, Any]] = client.post("/api/v1/workers/unload").raise_for_status().json()["workers"]
            return workers

        assert until(lambda worker: not worker["models"])["last_load"] is None
        job = client.post("/api/v1/jobs", json={"prompt": "red", "steps": 150}).raise_for_status().json()
        worker = until(lambda worker: bool(worker["models"]))
        (model,) = worker["models"]
        assert model["in_use"] and model["size_bytes"] > 0
        assert worker["last_load"] == {"name": model["name"], "seconds": 1.5, "swap": False}
        assert unload() == [{"device": "Fake device", "unloaded": [], "in_use": [model["name"]]}]
        client.delete(f"/api/v1/jobs/{job['id']}").raise_for_status()
        assert until(lambda worker: worker["jobs"] == 0)["models"] == [{**model, "in_use": False}]
        assert unload() == [{"device": "Fake device", "unloaded": [model["name"]], "in_use": []}]
        until(lambda worker: not worker["models"])
        client.post("/api/v1/jobs", json={"prompt": "red", "steps": 1}).raise_for_status()
        until(lambda worker: [held["name"] for held in worker["models"]] == [model["name"]])
