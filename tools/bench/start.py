"""First picture after the program's start, and what both processes hold then."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tools.bench.results import Row
from tools.bench.servers import darkroom
from webui.core.errors import DarkroomError
from webui.core.paths import Paths
from webui.instance import running

_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 300.0


def start(folder: Path, request: Mapping[str, Any], extra: Sequence[str] = ()) -> list[Row]:
    """Start the program, ask for a picture as soon as it listens, and look at its memory when the picture is saved."""
    home = folder / "start"
    with darkroom(home, extra) as server:
        instance = running(Paths(data_dir=home))
        if instance is None:
            raise DarkroomError("The bench's server left no note in its data folder.")
        headers = {"Authorization": f"Bearer {instance.token}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False) as client:
            job = client.post("api/v1/jobs", json=dict(request)).raise_for_status().json()
            _wait_for(client, job["id"])
        seconds = time.perf_counter() - server.started
        held = server.memory()
    mib = 2**20
    return [
        Row(
            "start: first picture saved",
            seconds,
            "s",
            note=f"the page's first byte after {server.first_byte_seconds:.1f} s",
        ),
        Row("memory: web process, resident", held.web / mib, "MiB"),
        Row("memory: worker process, resident", held.worker / mib, "MiB"),
    ]


def _wait_for(client: httpx.Client, job_id: str) -> None:
    end = time.perf_counter() + _PATIENCE_SECONDS
    while time.perf_counter() < end:
        job = client.get(f"api/v1/jobs/{job_id}").raise_for_status().json()
        if job["state"] == "done":
            return
        if job["state"] in ("failed", "cancelled"):
            raise DarkroomError(f"The bench's first picture failed: {job['problem']}")
        time.sleep(_LOOK_SECONDS)
    raise DarkroomError("The bench's first picture was not made in five minutes.")
