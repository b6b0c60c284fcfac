"""The real engine in a worker process: verbs, previews and refusals through the pipe, and kill -9 in mid-job."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

from PIL import Image

from tests.jobs.helpers import at_step, running_house, with_loop
from tests.kill.real_worker import Tiny
from webui.core.events import Failed, Finished, ImageReady, PreviewReady, Queued, Step
from webui.core.job import State
from webui.images import metadata


@with_loop
async def test_jobs_run_with_all_verbs(tmp_path: Path, tiny: Tiny) -> None:
    async with running_house(tmp_path, tiny.worker()) as house:
        plain, skipped, stopped = (
            tiny.job("plain"),
            tiny.job("skipped", steps=150, n_iter=2),
            tiny.job("stopped", steps=150),
        )
        wrong = tiny.job("wrong", checkpoint="gone")
        house.submit(plain, skipped, stopped, wrong)
        await house.until("skipped", lambda event: isinstance(event, PreviewReady))
        preview = house.scheduler.preview("skipped")
        assert preview is not None and Image.open(io.BytesIO(preview)).format == "JPEG"
        house.scheduler.skip("skipped")
        await house.until("stopped", at_step(1, 2))
        house.scheduler.interrupt("stopped")
        house.scheduler.interrupt("stopped")
        ends = [await house.end(name) for name in ("plain", "skipped", "stopped", "wrong")]
        assert [type(end) for end in ends] == [Finished, Finished, Finished, Failed]
        stops = {
            name: [p.stopped_at for p in house.queue.get(name).pictures] for name in ("plain", "skipped", "stopped")
        }
        assert stops["plain"] == [None]
        assert stops["skipped"][0] is not None and stops["skipped"][1] is None
        assert stops["stopped"][0] is not None
        status = house.scheduler.workers[0].status
        assert status.state == "ready" and status.device and status.total
        (picture,) = house.queue.get("plain").pictures
        assert metadata.read(house.store.path(picture.path)).request == plain.request.to_json()


@with_loop
async def test_a_killed_worker_runs_its_jobs_again_with_the_bytes_they_give_alone(tmp_path: Path, tiny: Tiny) -> None:
    def request(name: str, seed: int) -> dict:
        return {"id": name, "seed": seed, "steps": 60, "n_iter": 2, "sampler_name": "Euler a"}

    executor = tiny.worker()
    async with running_house(tmp_path, executor) as house:
        expected = {}
        for seed in (7, 8):
            house.submit(tiny.job(**request(f"alone{seed}", seed)))
            assert isinstance(await house.end(f"alone{seed}"), Finished)
            rows = house.queue.get(f"alone{seed}").pictures
            expected[seed] = [house.store.path(row.path).read_bytes() for row in rows]
        jobs = [tiny.job(**request(f"job{seed}", seed)) for seed in (7, 8)]
        house.submit(*jobs)
        await house.until("job7", lambda event: isinstance(event, ImageReady))
        for job in jobs:
            await house.until(job.id, lambda event: isinstance(event, Step) and (event.batch, event.step) > (2, 1))
        os.kill(executor.pid, signal.SIGKILL)  # type: ignore[arg-type]
        for job in jobs:
            assert isinstance(await house.end(job.id), Finished)
            row = house.queue.get(job.id)
            assert (row.state, row.attempts, row.alone) == (State.DONE, 1, True)
            reasons = [event.reason for event in house.events[job.id] if isinstance(event, Queued)]
            assert any("SIGKILL" in reason for reason in reasons), "the page is told"
            again = house.store.path(row.pictures[1].path).read_bytes()
            assert again == expected[job.request.seed][1]
            indexes = [event.index for event in house.events[job.id] if isinstance(event, ImageReady)]
            assert indexes == [0, 1], "a picture that was saved is not made twice"
        assert len(house.files()) == 8
