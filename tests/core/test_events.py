"""Events: values that come back equal from JSON, each kind by its own name."""

from __future__ import annotations

import json
import typing
from dataclasses import FrozenInstanceError

import pytest

from webui.core.errors import WorkerProblem
from webui.core.events import (
    ENDS,
    Cancelled,
    Event,
    Failed,
    Finished,
    ImageReady,
    Loading,
    Note,
    PreviewReady,
    Progress,
    Queued,
    Step,
    event_from_json,
    event_to_json,
)
from webui.core.model_work import Made

EXAMPLES: list[Event] = [
    Queued(3, "the worker died"),
    Loading("darkroom-starter"),
    Progress(0.5, "Merging", 3.0),
    Step(3, 20, 2, 4, 1.5),
    Step(1, 20),
    PreviewReady(7),
    Note("It was made alone."),
    ImageReady(1, "abc", 7, 64, 128, "a cat\nSteps: 3", stopped_at=2),
    Finished(2, True, {"denoised": 1.5}),
    Finished(0, False, {}, Made("one.ckpt", "/models/one.ckpt", "one.ckpt [0123456789]")),
    Failed(WorkerProblem("It died.", remedies=("Start again",)).problem()),
    Cancelled(),
]


def test_every_kind_has_an_example() -> None:
    assert {type(event) for event in EXAMPLES} == set(typing.get_args(Event))
    assert len({event.name for event in typing.get_args(Event)}) == len(typing.get_args(Event))


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
def test_an_event_comes_back_from_json(event: Event) -> None:
    data = json.loads(json.dumps(event_to_json(event)))
    assert data["event"] == event.name
    assert event_from_json(data) == event


def test_a_job_ends_in_one_of_three_ways() -> None:
    assert set(ENDS) == {Finished, Failed, Cancelled}


@pytest.mark.parametrize(
    ("step", "fraction"), [(Step(0, 20), 0), (Step(10, 20), 0.5), (Step(20, 20), 1), (Step(5, 20, 2, 2), 0.625)]
)
def test_the_share_that_is_done(step: Step, fraction: float) -> None:
    assert step.fraction == fraction


def test_events_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Step(1, 2).step = 3  # type: ignore[misc]


def test_what_a_stream_adds_is_passed_over() -> None:
    assert event_from_json({"job": "j", "mine": True, **event_to_json(Step(1, 2))}) == Step(1, 2)
