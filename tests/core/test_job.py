"""Jobs: which states end, how trust ranks, and what the API shows."""

from __future__ import annotations

import json

from webui.core.errors import WorkerProblem
from webui.core.job import LOCAL_OWNER, Identity, Job, Level, State
from webui.core.request import GenerationRequest


def test_three_states_end() -> None:
    assert {state for state in State if state.ended} == {State.DONE, State.FAILED, State.CANCELLED}


def test_trust_rises_from_visitor_to_owner() -> None:
    assert [level.rank for level in (Level.VISITOR, Level.USER, Level.OWNER)] == [0, 1, 2]
    assert LOCAL_OWNER.is_owner
    assert not Identity("x", Level.USER).is_owner


def test_a_job_is_shown_whole() -> None:
    problem = WorkerProblem("It died.").problem()
    request = GenerationRequest(prompt="x", seed=3)
    job = Job("id", "ann", request, State.FAILED, 1.0, 2.0, problem=problem, attempts=2, timings={"queued": 0.5})
    shown = json.loads(json.dumps(job.to_json()))
    assert shown["state"] == "failed" and shown["attempts"] == 2 and shown["timings"] == {"queued": 0.5}
    assert shown["problem"]["detail"] == "It died."
    assert GenerationRequest.from_json(shown["request"]) == request
