"""The one door: what is accepted, what is refused with which sentence, and who may see what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from webui.app import House, compose
from webui.core.errors import (
    DarkroomError,
    InvalidField,
    ModelProblem,
    NotAllowed,
    NotFound,
    StorageProblem,
    TooMany,
    UnknownName,
)
from webui.core.events import Failed, Finished, ImageReady
from webui.core.fields import MAX_SEED
from webui.core.job import LOCAL_OWNER, Identity, Level, State
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.jobs.executors.fake import FakeExecutor, Fault
from webui.service import Service

GUEST = Identity("guest-1", Level.VISITOR)
OTHER = Identity("guest-2", Level.VISITOR)


def house_on(folder: Path, fault: Fault | None = None, step_seconds: float = 0.0) -> House:
    paths = Paths(data_dir=folder)
    executor = FakeExecutor(step_seconds=step_seconds, fault=fault)
    return compose(paths, SettingsStore(paths.settings), [executor])


def run(house: House, talk: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with house.running() as service:
            await asyncio.wait_for(talk(service), 60)

    asyncio.run(whole())


async def end_of(service: Service, job_id: str, who: Identity = LOCAL_OWNER) -> Any:
    last = None
    async for envelope in service.follow(who, job_id):
        last = envelope.event
    return last


def test_a_prompt_becomes_a_picture_with_everything_resolved(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        job = await service.submit({"prompt": "red", "sampler_name": "k_euler_a"}, LOCAL_OWNER)
        request = job.request
        assert request.sampler_name == "Euler a"
        assert 0 <= request.seed <= MAX_SEED
        assert request.checkpoint.startswith("darkroom-starter [") and len(request.checkpoint_hash) == 64
        assert (request.width, request.height) == (128, 128), "the starter's own size, not the row's 512"
        assert isinstance(await end_of(service, job.id), Finished)
        picture = service.job(job.id, LOCAL_OWNER).pictures[0]
        assert picture.path.endswith(f"/00001-{request.seed}.png")
        assert service.picture_file(picture.id, LOCAL_OWNER).is_file()
        parsed = service.parse_infotext(picture.infotext)
        again = await service.submit(parsed.values, LOCAL_OWNER)
        assert again.request == request, "what the picture says makes the same picture"

    run(house_on(tmp_path), talk)


def test_a_sampler_with_its_schedule_at_the_end_is_split(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        job = await service.submit({"sampler_name": "DPM++ 2M Karras"}, LOCAL_OWNER)
        assert (job.request.sampler_name, job.request.scheduler) == ("DPM++ 2M", "Karras")

    run(house_on(tmp_path), talk)


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"width": 513}, "width", "nearest: 512, 520"),
        ({"width": 100_000}, "width", "between 64 and 4,096"),
        ({"steps": 0}, "steps", "between 1 and"),
        ({"steps": 10_000}, "steps", "between 1 and"),
        ({"prompt": "x" * 100_000}, "prompt", "100,000 characters"),
        ({"sampler_name": "Euler b"}, "sampler_name", "Did you mean 'Euler"),
        ({"scheduler": "Karas"}, "scheduler", "Did you mean 'Karras'"),
        ({"checkpoint": "darkrom-starter"}, "checkpoint", "Did you mean 'darkroom-starter'"),
        ({"seed": "seven"}, "seed", "number"),
        ({"stpes": 3}, "stpes", "Did you mean 'steps'"),
        ({"batch_size": 16, "width": 4096, "height": 4096}, "batch_size", "million pixels"),
    ],
)
def test_bad_values_are_refused_by_a_sentence_that_names_the_field(
    tmp_path: Path, values: dict[str, Any], field: str, words: str
) -> None:
    async def talk(service: Service) -> None:
        with pytest.raises(InvalidField) as refused:
            await service.submit(values, LOCAL_OWNER)
        assert refused.value.field == field
        assert words in refused.value.detail
        assert service.jobs(LOCAL_OWNER) == []

    run(house_on(tmp_path), talk)


def test_a_guest_learns_that_a_worker_failed_but_not_why(tmp_path: Path) -> None:
    house = house_on(tmp_path)
    (executor,) = house.executors
    assert isinstance(executor, FakeExecutor)
    executor.become("failed", "There is no file /home/ann/secret.")
    told = house.service.status(GUEST)["worker"]
    assert told["state"] == "failed" and "secret" not in told["detail"] and "makes no pictures" in told["detail"]
    assert "secret" in house.service.status(LOCAL_OWNER)["worker"]["detail"]
    executor.become("restarting", "secret")
    assert house.service.status(GUEST)["worker"]["detail"] == ""


def test_a_stranger_sees_and_touches_only_their_own(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        job = await service.submit({"prompt": "blue"}, GUEST)
        await end_of(service, job.id, GUEST)
        picture = service.job(job.id, GUEST).pictures[0]
        for question in (
            lambda: service.job(job.id, OTHER),
            lambda: service.cancel(job.id, OTHER),
            lambda: service.interrupt(job.id, OTHER),
            lambda: service.skip(job.id, OTHER),
            lambda: service.preview(job.id, OTHER),
            lambda: service.picture(picture.id, OTHER),
            lambda: service.picture_file(picture.id, OTHER),
            lambda: service.thumbnail(picture.id, OTHER, 100),
            lambda: service.delete_picture(picture.id, OTHER),
            lambda: service.follow(OTHER, job.id),
        ):
            with pytest.raises(NotFound):
                question()
        assert service.jobs(OTHER) == [] and service.pictures(OTHER) == []
        for refused in (
            lambda: service.settings(OTHER),
            lambda: service.update_settings({"theme": "dark"}, OTHER),
            lambda: service.pause(OTHER),
            lambda: service.front(job.id, GUEST),
            lambda: service.jobs(OTHER, everyone=True),
            lambda: service.follow(OTHER, everyone=True),
            lambda: service.refresh_checkpoints(OTHER),
            lambda: service.extensions(OTHER),
        ):
            with pytest.raises(NotAllowed):
                refused()
        assert service.job(job.id, LOCAL_OWNER).state is State.DONE

    run(house_on(tmp_path), talk)


def test_a_guest_cannot_fill_the_line(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        service.pause(LOCAL_OWNER)
        with pytest.raises(TooMany, match="more than the 16"):
            await service.submit({"n_iter": 17}, GUEST)
        for _ in range(4):
            await service.submit({}, GUEST)
        with pytest.raises(TooMany, match="4 jobs waiting"):
            await service.submit({}, GUEST)
        await service.submit({}, OTHER)
        assert service.line() == {"running": 0, "waiting": 5, "paused": True}
        assert service.clear_waiting(GUEST) == 4
        assert service.line()["waiting"] == 1

    run(house_on(tmp_path), talk)


def test_many_requests_at_once_do_not_slip_past_a_guests_limit(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        service.pause(LOCAL_OWNER)
        answers = await asyncio.gather(*(service.submit({}, GUEST) for _ in range(25)), return_exceptions=True)
        assert sum(isinstance(answer, TooMany) for answer in answers) == 21
        assert service.line()["waiting"] == 4

    run(house_on(tmp_path), talk)


def test_a_stored_request_names_the_very_weights_it_was_made_with(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        made = (await service.submit({}, LOCAL_OWNER)).request
        for title in (made.checkpoint, "", "another name that it had"):
            again = await service.submit({**made.to_json(), "checkpoint": title}, LOCAL_OWNER)
            assert again.request.checkpoint_hash == made.checkpoint_hash
        with pytest.raises(ModelProblem, match="are not here"):
            await service.submit({**made.to_json(), "checkpoint_hash": "0" * 64}, LOCAL_OWNER)

    run(house_on(tmp_path), talk)


def test_null_means_a_missing_field(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        job = await service.submit({"n_iter": None, "steps": None, "checkpoint": None}, LOCAL_OWNER)
        assert (job.request.n_iter, job.request.steps) == (1, 20)
        with pytest.raises(InvalidField, match="checkpoint_hash must be text"):
            await service.submit({"checkpoint_hash": 5}, LOCAL_OWNER)

    run(house_on(tmp_path), talk)


def test_a_deleted_picture_is_in_the_bin_and_on_no_list_until_it_is_taken_back(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        job = await service.submit({"prompt": "green"}, LOCAL_OWNER)
        await end_of(service, job.id)
        picture = service.pictures(LOCAL_OWNER)[0]
        service.delete_picture(picture.id, LOCAL_OWNER)
        assert service.pictures(LOCAL_OWNER) == []
        assert not (tmp_path / "outputs" / picture.path).exists()
        assert (tmp_path / "outputs" / ".bin" / picture.path).is_file()
        with pytest.raises(NotFound):
            service.picture_file(picture.id, LOCAL_OWNER)
        with pytest.raises(NotFound):
            service.restore_picture(picture.id, GUEST)
        assert service.restore_picture(picture.id, LOCAL_OWNER) == picture
        assert service.pictures(LOCAL_OWNER) == [picture]
        assert service.picture_file(picture.id, LOCAL_OWNER).is_file()
        with pytest.raises(NotFound):
            service.restore_picture(picture.id, LOCAL_OWNER)

    run(house_on(tmp_path), talk)


def test_out_of_memory_in_a_step_fails_that_job_with_its_sentence_and_no_other(tmp_path: Path) -> None:
    class Full(DarkroomError):
        title = "Out of memory"

    fault = Fault(at=3, error=Full("This picture needs more memory than there is."), prompt="huge")

    async def talk(service: Service) -> None:
        big = await service.submit({"prompt": "huge"}, LOCAL_OWNER)
        small = await service.submit({"prompt": "small"}, LOCAL_OWNER)
        failed = await end_of(service, big.id)
        assert isinstance(failed, Failed) and "more memory" in failed.problem.detail
        assert isinstance(await end_of(service, small.id), Finished)

    run(house_on(tmp_path, fault), talk)


def test_an_output_folder_that_cannot_be_written_is_said_before_anything_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file where the folder should be")

    async def talk(service: Service) -> None:
        with pytest.raises(StorageProblem):
            await service.submit({}, LOCAL_OWNER)
        assert service.jobs(LOCAL_OWNER) == []

    run(house_on(tmp_path), talk)


def test_a_late_follower_gets_the_pictures_too(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        job = await service.submit({"n_iter": 3}, LOCAL_OWNER)
        await end_of(service, job.id)
        late = [envelope.event async for envelope in service.follow(LOCAL_OWNER, job.id)]
        assert [e.index for e in late if isinstance(e, ImageReady)] == [0, 1, 2]
        assert isinstance(late[-1], Finished)

    run(house_on(tmp_path), talk)


def test_an_unknown_checkpoint_in_the_settings_is_refused(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        with pytest.raises(UnknownName):
            service.update_settings({"sd_model_checkpoint": "nothing of the kind"}, LOCAL_OWNER)
        service.update_settings({"sd_model_checkpoint": "darkroom-starter"}, LOCAL_OWNER)
        assert service.settings(LOCAL_OWNER).sd_model_checkpoint.startswith("darkroom-starter [")

    run(house_on(tmp_path), talk)


def test_a_precision_in_the_settings_is_known_by_any_case_and_refused_with_the_list(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        with pytest.raises(InvalidField, match="one of Automatic, fp32, fp16, bf16, fp8") as refused:
            service.update_settings({"vae_precision": "nf4"}, LOCAL_OWNER)
        assert refused.value.field == "vae_precision"
        assert service.update_settings({"vae_precision": "FP8"}, LOCAL_OWNER).vae_precision == "fp8"

    run(house_on(tmp_path), talk)


def test_an_infotext_without_a_schedule_means_automatic(tmp_path: Path) -> None:
    async def talk(service: Service) -> None:
        text = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
        assert service.parse_infotext(text).values["scheduler"] == "Automatic"
        old = text.replace("Euler a", "DPM++ 2M Karras")
        assert service.parse_infotext(old).values["scheduler"] == "Karras"

    run(house_on(tmp_path), talk)
