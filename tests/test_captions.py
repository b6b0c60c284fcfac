"""Captions through the service: a job of the workshop, each person's own, with broken ones in between and limits."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.engine.captions.tiny_blip import WORDS, write_blip
from tests.jobs.helpers import with_loop
from tests.jobs.works_stub import Stubborn
from tests.jobs.workshop import Works, works
from webui.app import House, compose
from webui.core.errors import BadPicture, Conflict, NotFound, TooMany
from webui.core.events import Failed, Finished, Progress
from webui.core.job import LOCAL_OWNER, Identity, Job, Level
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.engine.captions.captioners import CaptionerProblem
from webui.images.waiting import FOLDER
from webui.jobs.executors.fake import FakeExecutor

ANN, BOB = (Identity(name, Level.VISITOR) for name in ("ann", "bob"))


def picture(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


def waiting(home: Path) -> list[str]:
    return sorted(path.stem for path in (home / "data" / FOLDER).glob("*"))


async def described(shop: Works, who: Identity, source: bytes) -> Job:
    return await shop.house.service.captions.submit(source, "a picture", who)


@with_loop
async def test_a_picture_is_described_in_the_workshop_and_what_is_broken_breaks_nothing_else(tmp_path: Path) -> None:
    """One process for all of it: it takes seconds to begin."""
    async with works(tmp_path) as shop:
        service = shop.house.service
        for who, way in ((LOCAL_OWNER, "Make a folder in models/BLIP"), (ANN, "Ask the owner")):
            with pytest.raises(CaptionerProblem, match="There is no captioner here") as told_of_none:
                await described(shop, who, picture())
            assert told_of_none.value.remedies[0].startswith(way)
        folder = write_blip(tmp_path / "models" / "BLIP" / "tiny")
        job = await described(shop, ANN, picture())
        told = await shop.until(job, lambda event: isinstance(event, Finished | Failed))
        assert any(isinstance(event, Progress) and event.words == "Looking at the picture" for event in told)
        done = service.job(job.id, ANN)
        assert done.result is not None and done.result.name == "tiny" and done.request.summary == "a picture"
        assert set(done.result.text.split()) <= set(WORDS) and done.result.text
        with pytest.raises(NotFound):
            service.job(job.id, BOB)
        # What was broken since it was accepted, is told by the workshop, whose process goes on.
        pid = shop.shop.pid
        weights = (folder / "model.safetensors").read_bytes()
        (folder / "tokenizer.json").write_text("{", "utf-8")
        end = await shop.end(await described(shop, ANN, picture()))
        assert isinstance(end, Failed) and "tiny cannot be used" in end.problem.detail
        assert str(tmp_path) not in end.problem.detail
        (folder / "model.safetensors").write_bytes(weights[:-10])
        with pytest.raises(CaptionerProblem):
            await described(shop, ANN, picture())
        write_blip(tmp_path / "models" / "captioners" / "whole")
        end = await shop.end(await described(shop, BOB, picture("blue")))
        assert isinstance(end, Finished) and end.result is not None and end.result.name == "whole"
        assert shop.shop.pid == pid
        assert len(waiting(tmp_path)) == 1, "the red one was for jobs that have ended"


@with_loop
async def test_a_guest_has_limits_and_a_waiting_picture_stays(tmp_path: Path) -> None:
    write_blip(tmp_path / "models" / "BLIP" / "tiny")
    paths = Paths(data_dir=tmp_path, program_dir=tmp_path)
    shop = Stubborn()
    house = compose(paths, SettingsStore(paths.settings, {"max_waiting_visitor": 2}), [FakeExecutor(), shop])
    async with house.running() as service:
        with pytest.raises(BadPicture):
            await service.captions.submit(b"no picture", "", ANN)
        for colour in ("red", "green", "blue"):
            await service.captions.submit(picture(colour), colour, ANN)
            if colour == "red":
                await until_running(house)
        assert len(waiting(tmp_path)) == 3
        with pytest.raises(TooMany, match="2 jobs waiting"):
            await service.captions.submit(picture("white"), "white", ANN)
        assert len(waiting(tmp_path)) == 3
        await service.captions.submit(picture("white"), "white", LOCAL_OWNER)
        assert [one.name for one in await service.captions.captioners(ANN)] == ["tiny"]
        shop.done.set()


async def until_running(house: House) -> None:
    async for envelope in house.service.follow(ANN):
        if isinstance(envelope.event, Progress):
            return


@with_loop
async def test_guests_are_told_of_captioners_that_work_alone(tmp_path: Path) -> None:
    (write_blip(tmp_path / "models" / "BLIP" / "tiny") / "model.safetensors").unlink()
    paths = Paths(data_dir=tmp_path, program_dir=tmp_path)
    house = compose(paths, SettingsStore(paths.settings), [FakeExecutor()])
    async with house.running() as service:
        assert await service.captions.captioners(ANN) == []
        (broken,) = await service.captions.captioners(LOCAL_OWNER)
        assert broken.problem and "model.safetensors is missing" in broken.problem
        with pytest.raises(Conflict, match="no workshop"):
            await service.captions.submit(picture(), "", LOCAL_OWNER)
