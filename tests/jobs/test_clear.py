"""Clearing the line: however long it is, one transaction, then every job's end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.helpers import QUICK, MakeJob, running_house, with_loop
from webui.core.events import Cancelled
from webui.core.job import State
from webui.jobs.executors.fake import FakeExecutor


@with_loop
async def test_a_line_of_more_than_a_thousand_is_cleared_at_once(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_house(tmp_path, FakeExecutor(QUICK)) as house:
        house.scheduler.pause()
        job, other = make_job(), make_job("bob")
        house.submit(job, other)
        (path,) = house.store.reserve(job.task, [7], job.created)
        house.queue.reserve(job.id, [(0, 7, path)])
        with house.queue._database.transaction() as connection:
            connection.execute(
                """
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
                INSERT INTO jobs (id, owner, task, request, state, created, place)
                SELECT 'more' || i, 'ann', 'txt2img', request, 'queued', created + i, place + i
                FROM n, jobs WHERE id = ?
                """,
                (job.id,),
            )
        transactions = []
        real = house.queue._database.transaction
        monkeypatch.setattr(
            house.queue._database, "transaction", lambda *a, **k: transactions.append(1) or real(*a, **k)
        )
        assert house.queue.count(State.QUEUED) == 1102
        assert house.scheduler.clear_waiting("ann") == 1101
        assert len(transactions) == 1
        assert house.queue.count(State.QUEUED) == 1
        assert isinstance(await house.end("more1100"), Cancelled)
        assert isinstance(await house.end(job.id), Cancelled)
        assert house.queue.get(job.id).ended is not None
    assert not list((tmp_path / "outputs").rglob("*.reserved")), "its number is free again"
