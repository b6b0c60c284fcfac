"""Time left: from the job's own steps, before that from jobs like it."""

from __future__ import annotations

import pytest

from webui.core.events import Progress, Step
from webui.core.request import GenerationRequest
from webui.jobs.eta import Estimate, History, ShareEstimate

REQUEST = GenerationRequest(width=64, height=64)


def test_nothing_is_claimed_before_anything_is_known() -> None:
    assert Estimate(REQUEST, History()).seconds_left(Step(0, 20), now=5.0) is None


def test_the_jobs_own_pace_counts_over_all_batches() -> None:
    estimate = Estimate(REQUEST, History())
    left = [
        estimate.seconds_left(Step(n, 4, batch, 2), now=float(2 * (n + 5 * batch)))
        for batch in (1, 2)
        for n in range(5)
    ]
    assert left == [None, 14, 12, 10, 8, 8, 6, 4, 2, 0]


def test_after_an_interrupt_only_the_current_batch_is_left() -> None:
    estimate = Estimate(REQUEST, History())
    estimate.seconds_left(Step(0, 4, 1, 3), now=0)
    assert estimate.seconds_left(Step(1, 4, 1, 3), now=2) == 22
    assert estimate.seconds_left(Step(2, 4, 1, 3), now=4, ending=True) == 4


def test_one_slow_step_does_not_frighten() -> None:
    estimate = Estimate(REQUEST, History())
    times = [0, 1, 2, 3, 33, 34]
    left = [estimate.seconds_left(Step(n, 10), now=float(t)) for n, t in enumerate(times)]
    assert left[4] == pytest.approx(6) and left[5] == pytest.approx(5)


def test_a_job_like_a_recent_one_knows_at_once_and_others_do_not() -> None:
    history = History()
    before = Estimate(REQUEST, history)
    for n in range(5):
        before.seconds_left(Step(n, 10), now=n * 0.5)
    assert Estimate(REQUEST.but(seed=9, prompt="another"), history).seconds_left(Step(0, 8), now=0) == pytest.approx(4)
    assert Estimate(REQUEST.but(width=128), history).seconds_left(Step(0, 8), now=0) is None
    assert Estimate(REQUEST.but(checkpoint_hash="ab"), history).seconds_left(Step(0, 8), now=0) is None


def test_the_history_stays_small() -> None:
    history = History()
    for n in range(1000):
        history.note(REQUEST.but(batch_size=n), 1.0)
    assert history.recall(REQUEST.but(batch_size=1)) is None
    assert history.recall(REQUEST.but(batch_size=999)) == 1.0
    assert len(history._seconds) <= 64


def test_a_work_is_timed_by_its_share() -> None:
    share = ShareEstimate()
    assert share.seconds_left(Progress(0.0, "Reading"), 0.0) is None
    assert share.seconds_left(Progress(0.1, "Reading"), 1.0) == pytest.approx(9.0)
    assert share.seconds_left(Progress(0.0, "Merging"), 2.0) is None, "another pace"
    assert share.seconds_left(Progress(0.5, "Merging"), 7.0) == pytest.approx(5.0)
    assert share.seconds_left(Progress(0.5, "Merging"), 8.0) == pytest.approx(6.0), "it stands still"
    assert share.seconds_left(Progress(0.2, "Merging"), 9.0) is None, "it began again"
