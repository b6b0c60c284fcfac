"""Works on models as jobs: a real workshop process, killed, stopped, left and taken up again."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.conftest import make_sham
from tests.engine import singles
from tests.engine.helpers import load_model, write_checkpoint
from tests.jobs.helpers import with_loop
from tests.jobs.workshop import MADE, MERGE, works, write_models
from webui.cli import main
from webui.core.errors import Conflict, DarkroomError, NotAllowed
from webui.core.events import Cancelled, Event, Failed, Finished, Note, Progress
from webui.core.job import Identity, Level, State


def begun(event: Event) -> bool:
    return isinstance(event, Progress) and event.words == "Merging" and event.fraction > 0


@with_loop
async def test_a_merge_is_what_the_command_line_makes_and_can_be_picked_at_once(tmp_path: Path) -> None:
    folder = write_models(tmp_path)
    assert main(["models", "--data-dir", str(tmp_path), "merge", "one", "two", "-M", "0.25", "--name", "cli"]) == 0
    async with works(tmp_path) as shop:
        job = await shop.submit("merge", **MERGE, custom_name="cli", overwrite=True)
        expected = (folder / "cli.safetensors").read_bytes()
        events = await shop.until(job, lambda event: isinstance(event, Finished))
        end = events[-1]
        assert isinstance(end, Finished) and end.result is not None
        assert (folder / "cli.safetensors").read_bytes() == expected
        assert Path(end.result.path) == folder / "cli.safetensors"
        found = shop.house.service.checkpoints(_OWNER)
        assert end.result.name in [checkpoint.name for checkpoint in found]
        shares = [event.fraction for event in events if isinstance(event, Progress)]
        assert shares[-1] == 1.0 and shares == sorted(shares)
        row = shop.house.queue.get(job.id)
        assert (row.state, row.result, row.attempts) == (State.DONE, end.result, 0)
        assert row.timings and row.timings["worked"] > 0


@with_loop
async def test_a_merge_as_a_folder_can_be_picked_and_is_loaded(tmp_path: Path) -> None:
    folder = write_models(tmp_path)
    write_checkpoint(folder / "own")
    async with works(tmp_path) as shop:
        names = {"primary_model_name": "own", "secondary_model_name": "own"}
        end = await shop.end(await shop.submit("merge", **names, format="diffusers", custom_name="second"))
        assert isinstance(end, Finished) and end.result is not None
        assert end.result.title.startswith("second") and Path(end.result.path) == folder / "second"
    load_model(folder / "second")


_OWNER = Identity("owner", Level.OWNER)


@with_loop
async def test_a_second_work_uses_the_same_process_and_an_idle_one_ends(tmp_path: Path) -> None:
    write_models(tmp_path)
    async with works(tmp_path, idle_seconds=1.0) as shop:
        assert shop.shop.pid is None
        first, second = await shop.submit("merge", **MERGE), await shop.submit("prune", checkpoint="one")
        await shop.until(first, begun)
        pid = shop.shop.pid
        assert isinstance(await shop.end(first), Finished)
        assert isinstance(await shop.end(second), Finished)
        assert shop.shop.pid == pid
        for _ in range(1200):
            if shop.shop.pid is None and not psutil.pid_exists(pid or 0):
                break
            await asyncio.sleep(0.05)
        assert shop.shop.pid is None and not psutil.pid_exists(pid or 0)
        third = await shop.submit("convert", checkpoint="one", form="ckpt")
        assert isinstance(await shop.end(third), Finished)


@with_loop
async def test_a_killed_workshop_does_the_work_again_and_the_file_is_whole(tmp_path: Path) -> None:
    folder = write_models(tmp_path, ballast=40)
    async with works(tmp_path) as shop:
        job = await shop.submit("merge", **MERGE)
        await shop.until(job, begun)
        assert shop.shop.pid is not None
        os.kill(shop.shop.pid, signal.SIGKILL)
        assert isinstance(await shop.end(job), Finished)
        row = shop.house.queue.get(job.id)
        assert (row.state, row.attempts) == (State.DONE, 1)
        assert shop.left() == [], "what the kill left is gone"
        after = (folder / MADE).read_bytes()
        (folder / MADE).unlink()
        undisturbed = await shop.submit("merge", **MERGE)
        assert isinstance(await shop.end(undisturbed), Finished)
        assert (folder / MADE).read_bytes() == after


@pytest.mark.parametrize("verb", ["cancel", "interrupt"])
@with_loop
async def test_what_is_stopped_leaves_nothing(tmp_path: Path, verb: str) -> None:
    folder = write_models(tmp_path, ballast=40)
    async with works(tmp_path) as shop:
        job, waiting = await shop.submit("merge", **MERGE), await shop.submit("prune", checkpoint="one")
        await shop.until(job, begun)
        getattr(shop.house.service, verb)(job.id, _OWNER)
        assert isinstance(await shop.end(job), Cancelled)
        assert shop.left() == [] and not (folder / MADE).exists()
        assert shop.house.queue.get(job.id).state is State.CANCELLED
        assert isinstance(await shop.end(waiting), Finished), "the next one is done"


@with_loop
async def test_a_stop_of_the_program_puts_the_work_back_into_the_line(tmp_path: Path) -> None:
    folder = write_models(tmp_path, ballast=40)
    async with works(tmp_path) as shop:
        job = await shop.submit("merge", **MERGE)
        await shop.until(job, begun)
    assert not (folder / MADE).exists() and shop.left() == []
    async with works(tmp_path) as shop:
        assert isinstance(await shop.end(job), Finished)
        assert shop.house.queue.get(job.id).attempts == 0
    assert (folder / MADE).is_file()


@with_loop
async def test_a_work_that_was_done_though_nobody_heard_is_not_done_twice(tmp_path: Path) -> None:
    folder = write_models(tmp_path)
    async with works(tmp_path) as shop:
        shop.house.service.pause(_OWNER)
        job = await shop.submit("merge", **MERGE)
        # As a kill leaves it between the rename and the end's row: begun, and the file is there.
        shop.house.queue.start(job.id)
        (folder / MADE).write_bytes(b"made")
    async with works(tmp_path) as shop:
        shop.house.service.resume(_OWNER)
        assert isinstance(await shop.end(job), Finished)
    assert (folder / MADE).read_bytes() == b"made"


@with_loop
async def test_a_paused_line_begins_no_work_and_pictures_do_not_wait_for_works(tmp_path: Path) -> None:
    write_models(tmp_path)
    async with works(tmp_path) as shop:
        service = shop.house.service
        service.pause(_OWNER)
        jobs = [await shop.submit("merge", **MERGE, custom_name=f"made {n}") for n in range(12)]
        picture = await service.submit({"prompt": "a red", "checkpoint": "one", "steps": 2}, _OWNER)
        await asyncio.sleep(0.2)
        assert service.line() == {"running": 0, "waiting": 13, "paused": True}
        places = service.positions()
        assert [places[job.id] for job in jobs] == list(range(12)) and places[picture.id] == 0
        service.front(jobs[5].id, _OWNER)
        service.resume(_OWNER)
        assert isinstance((await shop.until(picture, lambda event: isinstance(event, Finished)))[-1], Finished)
        assert isinstance(await shop.end(jobs[5]), Finished)
        assert any(shop.house.queue.get(job.id).state is State.QUEUED for job in jobs), "it was done before them"
        service.clear_waiting(_OWNER)


@with_loop
async def test_two_works_never_write_to_one_place(tmp_path: Path) -> None:
    write_models(tmp_path)
    async with works(tmp_path) as shop:
        shop.house.service.pause(_OWNER)
        answers = await asyncio.gather(
            *(shop.submit("merge", **MERGE, custom_name=name, overwrite=True) for name in ("Same", "same")),
            return_exceptions=True,
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "Job"]
        with pytest.raises(Conflict, match="is there already"):
            await shop.submit("prune", checkpoint="one", name="two")


@with_loop
async def test_only_the_owner_works_on_models(tmp_path: Path) -> None:
    write_models(tmp_path)
    async with works(tmp_path) as shop:
        for level in (Level.VISITOR, Level.USER):
            with pytest.raises(NotAllowed):
                await shop.house.service.works.submit("merge", MERGE, Identity("ann", level))


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("merge", {"primary_model_name": "one"}, "takes A and B"),
        ("merge", {}, "needs A"),
        ("merge", {**MERGE, "secondary_model_name": "gone"}, "Unknown checkpoint 'gone'"),
        ("merge", {**MERGE, "bake_in_vae": "/etc/passwd"}, "Unknown VAE"),
        ("merge", {**MERGE, "multiplier": 2}, "from 0 to 1"),
        ("merge", {**MERGE, "secondary_model_name": "broken"}, "B, broken.safetensors, cannot be merged"),
        (
            "merge",
            {"primary_model_name": "sham", "secondary_model_name": "sham"},
            "sham cannot be one file: its text enc",
        ),
        ("convert", {"checkpoint": "sham"}, "sham cannot be one file: its text encoder has a vocabulary of its own"),
        ("convert", {"checkpoint": ""}, "which checkpoint"),
        ("convert", {"checkpoint": "one", "form": "onnx"}, "form is one of"),
        ("convert", {"checkpoint": "one", "precision": {"wheel": "fp16"}}, "precision is one of"),
        ("prune", {"checkpoint": "one", "name": "..."}, "can be no file's name"),
        ("prune", {"checkpoint": "sham"}, r"sham is a folder, .*; only \.safetensors and \.ckpt files can be pruned"),
        ("prune", {"checkpoint": "few"}, r"few\.gguf is a GGUF file, which holds nothing that could be left out"),
        ("prune", {"checkpoint": "one", "nmae": "x"}, "Unknown field 'nmae'"),
        ("download", {"address": "word"}, "neither an address"),
        ("download", {"address": "https://me:secret@example.org/a"}, "password or token"),
    ],
)
@with_loop
async def test_what_cannot_be_done_is_refused_with_a_sentence(
    tmp_path: Path, name: str, values: dict[str, object], sentence: str
) -> None:
    write_models(tmp_path)
    folder = tmp_path / "models" / "Stable-diffusion"
    (folder / "broken.safetensors").write_bytes(b"no model")
    make_sham(folder / "sham")
    singles.write({n: t for n, t in singles.sd("sd1").tensors().items() if t.dim()}, folder / "few.gguf")
    async with works(tmp_path) as shop:
        with pytest.raises(DarkroomError, match=sentence):
            await shop.submit(name, **values)


@with_loop
async def test_names_of_every_kind_are_made_safe(tmp_path: Path) -> None:
    write_models(tmp_path)
    async with works(tmp_path) as shop:
        for wanted in ("n" * 250, 'it\'s "quoted" / ünïcode 模型', ".hidden"):
            job = await shop.submit("prune", checkpoint="one", name=wanted)
            assert isinstance(await shop.end(job), Finished), wanted
            row = shop.house.queue.get(job.id)
            assert row.result is not None and row.result.title.startswith(row.result.name), "it can be picked"


@with_loop
async def test_a_model_in_a_folder_of_its_own_has_its_conversion_beside_it(tmp_path: Path) -> None:
    folder = write_models(tmp_path)
    (folder / "XL").mkdir()
    (folder / "one.safetensors").rename(folder / "XL" / "one.safetensors")
    async with works(tmp_path) as shop:
        job = await shop.submit("convert", checkpoint="one", form="diffusers")
        assert job.request.to_json()["target"] == "XL/one-diffusers"
        end = await shop.end(job)
        assert isinstance(end, Finished) and end.result is not None
        assert end.result.title.startswith("XL/one-diffusers [") and (folder / "XL" / "one-diffusers").is_dir()
        again = await shop.submit("convert", checkpoint="one", form="ckpt", name="still")
        assert again.request.to_json()["checkpoint"].startswith("XL/one.safetensors"), "the name means what it did"


@with_loop
async def test_what_fails_in_the_workshop_is_told(tmp_path: Path) -> None:
    folder = write_models(tmp_path)
    async with works(tmp_path) as shop:
        shop.house.service.pause(_OWNER)
        job = await shop.submit("prune", checkpoint="one")
        (folder / "one.safetensors").unlink()
        shop.house.service.resume(_OWNER)
        end = await shop.end(job)
        assert isinstance(end, Failed) and "one" in end.problem.detail
        missing = await shop.submit("prune", checkpoint="two", keep_ema=True)
        end = await shop.end(missing)
        assert isinstance(end, Failed) and "no averaged" in end.problem.detail


@with_loop
async def test_a_worker_that_dies_each_time_fails_the_job_with_a_sentence(tmp_path: Path) -> None:
    write_models(tmp_path, ballast=40)
    async with works(tmp_path) as shop:
        job = await shop.submit("merge", **MERGE)
        end, killed = asyncio.create_task(shop.end(job)), set[int]()
        while not end.done() and len(killed) < 5:
            # A death before the work has begun is not laid to it.
            if (bench := shop.shop._bench) and bench.heard and (pid := shop.shop.pid) and pid not in killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.005)
        failed = await end
        assert isinstance(failed, Failed) and "3 times with this job" in failed.problem.detail and len(killed) == 3
        assert "Lower the size" not in " ".join(failed.problem.remedies)


EXTENSION = """
from dataclasses import dataclass
from pathlib import Path

from webui.extend import ModelWork, Work, hookimpl, option


@dataclass(frozen=True, slots=True)
class Note(ModelWork):
    text: str = option("", "What is written.")


@dataclass(frozen=True)
class Files:
    target: Path


def accept(request, library):
    return request


def files(request, library):
    return Files(library.models / "note.txt")


def write(request, files, progress, should_stop):
    progress(0.5, "Writing")
    progress(0.5, "It was written.")
    files.target.write_text(request.text)
    return files.target


@hookimpl
def works():
    return [Work("note", "Note", Note, "extension:accept", "extension:files", "extension:write")]
"""


@with_loop
async def test_an_extension_adds_a_work(tmp_path: Path) -> None:
    write_models(tmp_path)
    folder = tmp_path / "extensions" / "noter"
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text('name = "noter"\nversion = "1.0"\napi = "1"\ntitle = "Noter"\n')
    (folder / "extension.py").write_text(EXTENSION)
    async with works(tmp_path) as shop:
        assert [r.problem for r in shop.house.service.extensions(_OWNER)] == [""]
        job = await shop.submit("note", text="hello")
        events = await shop.until(job, lambda event: isinstance(event, Finished | Failed))
        assert isinstance(events[-1], Finished) and events[-1].result is not None, events[-1]
        assert (tmp_path / "models" / "note.txt").read_text() == "hello"
        assert Note("It was written.") in events
    async with works(tmp_path) as shop:
        assert shop.house.queue.get(job.id).request.to_json()["text"] == "hello"
