"""Requests for works on models: frozen, the same as JSON, checked, and read again by their task."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields

import pytest

from tests.jobs.helpers import MakeJob
from webui.core.caption_request import Caption
from webui.core.errors import InvalidField
from webui.core.job import Job, State
from webui.core.job_request import RequestKinds
from webui.core.model_work import Convert, Download, Made, Merge, ModelWork, Prune
from webui.core.request import GenerationRequest
from webui.jobs.queue import Queue
from webui.plugins.builtin.works import works

EXAMPLES: dict[str, ModelWork] = {
    "merge": Merge(multiplier=0.4, primary_model_name="ä", secondary_model_name='"b"', target="out.ckpt"),
    "convert": Convert("diffusers", {"vae": "fp16"}, checkpoint="模型"),
    "prune": Prune(keep_ema=True, checkpoint="one"),
    "download": Download("owner/repository/file.safetensors", kind="LoRA"),
    "caption": Caption("blip", picture="0" * 64, title="00001-ä.png"),
}


def test_every_work_has_an_example() -> None:
    assert {work.name: work.request for work in works()} == {name: type(work) for name, work in EXAMPLES.items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_request_comes_back_from_the_database(name: str, queue: Queue, make_job: MakeJob) -> None:
    request = EXAMPLES[name]
    assert type(request).from_json(json.loads(request.dumps())) == request
    kinds = RequestKinds({work.name: work.request for work in works()})
    path = queue._database.path
    queue.put(Job("j", "owner", request, State.QUEUED, 1.0, 1.0, task=name))
    again = Queue(path, kinds=kinds)
    assert again.get("j").request == request
    picture = make_job(id="p")
    again.put(picture)
    assert [job.id for job in again.waiting(workplace="workshop")] == ["j"]
    assert [job.id for job in again.waiting(workplace="device")] == ["p"]
    assert again.get("p").request == picture.request
    made = Made("one.ckpt", "/models/one.ckpt", "one.ckpt [0123456789]", "a red circle")
    ended = again.end("j", State.DONE, result=made)
    assert ended.result == again.get("j").result == made
    assert ended.to_json()["summary"] == request.summary != ""


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_request_is_frozen_and_knows_its_limits(name: str) -> None:
    request = EXAMPLES[name]
    with pytest.raises(FrozenInstanceError):
        setattr(request, fields(request)[0].name, "")
    for one in fields(request):
        assert one.metadata["help"], one.name
        with pytest.raises(InvalidField):
            type(request).from_json({one.name: [1]})
    with pytest.raises(InvalidField):
        type(request).from_json({**request.to_json(), "schema": 99})
    with pytest.raises(InvalidField):
        type(request).from_json([])  # type: ignore[arg-type]


def test_several_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidField) as told:
        Merge.from_values({"multiplier": 2, "format": "zip"})
    assert len(told.value.problem().errors) == 2


def test_a_stored_work_that_nothing_reads_any_more_is_listed_with_a_sentence(queue: Queue) -> None:
    queue.put(Job("j", "owner", EXAMPLES["merge"], State.QUEUED, 1.0, 1.0, task="merge"))
    job = queue.get("j")  # this queue knows no works
    assert isinstance(job.request, GenerationRequest) and job.problem is not None
    assert "cannot read the stored request" in job.problem.detail
