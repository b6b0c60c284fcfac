"""The fake executor keeps an executor's promises: real repeatable pictures, previews that sharpen, `done`, failures."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageStat

from tests.jobs.helpers import MakeJob, with_loop
from webui.core.errors import OutOfMemory
from webui.core.events import Failed, Finished, Output, Picture, Preview, Step
from webui.core.job import Job
from webui.jobs.executors.base import Controls, WorkerDied
from webui.jobs.executors.fake import FakeExecutor, Fault


async def outputs(executor: FakeExecutor, job: Job, done: frozenset[int] = frozenset()) -> list[Output]:
    controls = Controls()
    controls.previews(True)
    return [output async for output in executor.run(job, controls, done)]


def pictures(found: list[Output]) -> list[Picture]:
    return [output for output in found if isinstance(output, Picture)]


@with_loop
async def test_the_same_request_gives_the_same_bytes_and_another_seed_others(make_job: MakeJob) -> None:
    executor = FakeExecutor(0)
    jobs = [make_job(seed=seed, width=96, n_iter=2) for seed in (7, 7, 9)]
    first, again, other = [pictures(await outputs(executor, job)) for job in jobs]
    assert first == again
    assert len({picture.data for picture in (*first, *other)}) == 4
    assert [picture.seed for picture in first] == [7, 8]
    with Image.open(io.BytesIO(first[0].data)) as image:
        assert (image.format, image.size) == ("PNG", (96, 64))


@pytest.mark.parametrize(("word", "colour"), [("red", (255, 0, 0)), ("blue", (0, 0, 255)), ("White", (255, 255, 255))])
@with_loop
async def test_a_colour_named_in_the_prompt_fills_the_picture(make_job: MakeJob, word: str, colour: tuple) -> None:
    (picture,) = pictures(await outputs(FakeExecutor(0), make_job(prompt=f"a {word} circle on green")))
    mean = ImageStat.Stat(Image.open(io.BytesIO(picture.data))).mean
    assert all(abs(got - wanted) < 20 for got, wanted in zip(mean, colour, strict=True))


@with_loop
async def test_previews_sharpen(make_job: MakeJob) -> None:
    found = await outputs(FakeExecutor(0), make_job(prompt="red", steps=10))
    spreads = []
    for preview in (output for output in found if isinstance(output, Preview)):
        red = Image.open(io.BytesIO(preview.data)).convert("RGB").split()[0]
        spreads.append(ImageStat.Stat(red).mean[0])
    assert len(spreads) == 10 and spreads == sorted(spreads) and spreads[-1] - spreads[0] > 80


@with_loop
async def test_pictures_that_are_there_are_not_made_again(make_job: MakeJob) -> None:
    job = make_job(n_iter=3, batch_size=2)
    found = await outputs(FakeExecutor(0), job, frozenset({0, 1, 3}))
    assert [picture.index for picture in pictures(found)] == [2, 4, 5]
    assert {output.batch for output in found if isinstance(output, Step)} == {2, 3}, "a finished batch is left out"
    assert pictures(found)[0].data == pictures(await outputs(FakeExecutor(0), job))[2].data


@with_loop
async def test_faults_hit_the_chosen_jobs_at_the_chosen_step(make_job: MakeJob) -> None:
    error = OutOfMemory("Too big.")
    executor = FakeExecutor(0, fault=Fault(3, error, prompt="bad", times=1))
    found = await outputs(executor, make_job(prompt="bad"))
    assert found[-1] == Failed(error.problem())
    assert max(output.step for output in found if isinstance(output, Step)) == 2
    assert isinstance((await outputs(executor, make_job(prompt="bad")))[-1], Finished), "only once"
    with pytest.raises(WorkerDied):
        await outputs(FakeExecutor(0, fault=Fault(1)), make_job())
