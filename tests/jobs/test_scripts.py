"""Scripts: one request becomes many jobs, whose pictures come back; cancelled, interrupted and restarted with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import make_sham
from webui.app import House, compose
from webui.core.errors import StorageProblem, TooMany, UnknownName
from webui.core.job import LOCAL_OWNER, Identity, Job, Level, State
from webui.core.paths import Paths
from webui.core.request import GenerationRequest
from webui.core.script_request import TASK, ScriptRequest
from webui.core.settings import SettingsStore
from webui.images.picture_file import open_picture
from webui.jobs.ending import Ended, Parts, aftermath
from webui.jobs.executors.fake import FakeExecutor, Fault
from webui.service import Service

GUEST = Identity("guest", Level.VISITOR)
HEAD = """
from PIL import Image
from webui.extend import Script, hookimpl

@hookimpl
def scripts():
    return [Script("sheet", "Contact sheet", "extension:sheet", level="visitor")]

"""
SHEET = """
SEEN = []

def sheet(request, options):
    results = yield [request.but(seed=seed, n_iter=1) for seed in (1, 2)]
    SEEN.append([result.problem for result in results])
    results += yield [request.but(seed=3, n_iter=2)]
    pictures = [picture for result in results for picture in result.pictures]
    assert [picture.seed for picture in pictures] == [1, 2, 3, 4]
    whole = Image.new("RGB", (4 * request.width, request.height))
    for place, picture in enumerate(pictures):
        whole.paste(picture.image(), (place * request.width, 0))
    return [whole]
"""


def house_on(folder: Path, script: str = "", step_seconds: float = 0.001, fault: Fault | None = None) -> House:
    paths = Paths(data_dir=folder, program_dir=folder)
    home = folder / "extensions" / "maker"
    if script:
        make_sham(paths.model_folders.checkpoints[0] / "sham")
        home.mkdir(parents=True)
        (home / "extension.toml").write_text('name = "maker"\nversion = "1"\napi = "1"\n', "utf-8")
        (home / "extension.py").write_text(HEAD + script, "utf-8")
    return compose(paths, SettingsStore(paths.settings), [FakeExecutor(step_seconds, fault=fault)])


def run(house: House, talk: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with house.running() as service:
            await asyncio.wait_for(talk(service), 60)

    asyncio.run(whole())


async def ended(house: House, job_id: str) -> Job:
    async for _ in house.service.follow(LOCAL_OWNER, job_id):
        pass
    return house.queue.get(job_id)


async def children(house: House, parent: Job, count: int) -> list[Job]:
    while len(found := house.queue.children(parent.id)) < count:
        await asyncio.sleep(0.01)
    return found


def test_a_script_s_requests_are_jobs_and_its_picture_is_saved(tmp_path: Path) -> None:
    house = house_on(tmp_path, SHEET)

    async def talk(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red", "n_iter": 3}, LOCAL_OWNER)
        done = await ended(house, job.id)
        assert (done.state, done.problem) == (State.DONE, None)
        made = house.queue.children(job.id)
        assert [(child.part, child.state, child.task) for child in made] == [
            (number, State.DONE, "txt2img") for number in range(3)
        ]
        assert [len(child.pictures) for child in made] == [1, 1, 2]
        (own,) = done.pictures
        assert (own.width, own.height) == (4 * 64, 64)
        assert "Script: Contact sheet" in own.infotext and own.path.startswith("script-images/")
        with open_picture(house.store.path(own.path)) as image:
            assert image.width == 256
        assert all(job.to_json()["parent"] is None for job in (done,)) and made[0].to_json()["parent"] == job.id
        times = {time.hook: time for report in service.extensions(LOCAL_OWNER) for time in report.hooks}
        assert times["scripts"].calls == 3
        assert [row.id for row in service.jobs(LOCAL_OWNER, workplace="device")][-1] == job.id

    run(house, talk)


def test_cancelling_the_script_cancels_what_it_has_asked_for(tmp_path: Path) -> None:
    house = house_on(tmp_path, SHEET, step_seconds=0.5)

    async def talk(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red", "steps": 100}, LOCAL_OWNER)
        await children(house, job, 2)
        service.cancel(job.id, LOCAL_OWNER)
        for one in [job, *house.queue.children(job.id)]:
            assert (await ended(house, one.id)).state is State.CANCELLED
        assert house.queue.get(job.id).pictures == ()

    run(house, talk)


def test_interrupting_it_finishes_what_is_being_made_and_asks_for_no_more(tmp_path: Path) -> None:
    house = house_on(tmp_path, SHEET, step_seconds=0.05)

    async def talk(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red", "steps": 10}, LOCAL_OWNER)
        await children(house, job, 2)
        service.interrupt(job.id, LOCAL_OWNER)
        done = await ended(house, job.id)
        assert (done.state, done.interrupted, done.pictures) == (State.DONE, True, ())
        states = [child.state for child in house.queue.children(job.id)]
        assert len(states) == 2 and all(state.ended for state in states)

    run(house, talk)


def test_a_restart_takes_it_up_again_and_makes_nothing_twice(tmp_path: Path) -> None:
    first = house_on(tmp_path, SHEET, step_seconds=0.1)
    ids: list[str] = []

    async def begin(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red", "steps": 5}, LOCAL_OWNER)
        one, _ = await children(first, job, 2)
        await ended(first, one.id)
        ids.append(job.id)

    run(first, begin)
    second = house_on(tmp_path)

    async def go_on(service: Service) -> None:
        assert not second.queue.get(ids[0]).state.ended
        done = await ended(second, ids[0])
        assert (done.state, len(done.pictures)) == (State.DONE, 1)
        made = second.queue.children(ids[0])
        assert [child.part for child in made] == [0, 1, 2]
        assert [len(child.pictures) for child in made] == [1, 1, 2]
        assert len(service.pictures(LOCAL_OWNER)) == 5

    run(second, go_on)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("    yield [5]", "'maker' failed in scripts: it must yield lists of requests."),
        ("    yield [request] * 1001", "it asks for more than 1,000 jobs."),
        ("    yield []\n    return [Image.new('L', (8, 8))] * 2", "it returned 2 pictures; its row says 1."),
        ("    yield []\n    return 'done'", "it must return a list of images, or of pairs"),
        ("    yield []\n    raise SystemExit(2)", "'maker' failed in scripts: SystemExit: 2."),
        ("    return []", "it returned list; a script is a generator: it has a yield."),
    ],
)
def test_what_a_script_does_wrong_is_named(tmp_path: Path, body: str, sentence: str) -> None:
    house = house_on(tmp_path, f"def sheet(request, options):\n{body}\n")

    async def talk(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red"}, LOCAL_OWNER)
        done = await ended(house, job.id)
        assert done.state is State.FAILED and done.problem
        assert sentence in done.problem.detail

    run(house, talk)


def test_a_picture_that_fails_is_told_and_the_script_may_go_on(tmp_path: Path) -> None:
    body = "    (one,) = yield [request]\n    assert not one.pictures and 'died' in one.problem\n"
    script = f"def sheet(request, options):\n{body}"
    house = house_on(tmp_path, script, fault=Fault(error=UnknownName("thing", "died", [])))

    async def talk(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red"}, LOCAL_OWNER)
        assert (await ended(house, job.id)).state is State.DONE

    run(house, talk)


def test_a_request_that_is_refused_is_answered_and_kept_and_the_others_are_made(tmp_path: Path) -> None:
    body = """
    wrong, one = yield [request.but(sampler_name="Elur"), request.but(seed=5)]
    assert wrong.problem == "Unknown sampler 'Elur'. Did you mean 'Euler'?", wrong.problem
    assert (wrong.request.sampler_name, wrong.pictures) == ("Elur", ())
    assert [picture.seed for picture in one.pictures] == [5]
"""
    house = house_on(tmp_path, f"def sheet(request, options):{body}")

    async def talk(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red"}, LOCAL_OWNER)
        done = await ended(house, job.id)
        assert (done.state, done.problem) == (State.DONE, None)
        refused, made = house.queue.children(job.id)
        assert (refused.state, refused.part, made.state) == (State.FAILED, 0, State.DONE)
        assert refused.problem and refused.problem.field == "sampler_name" and refused.ended
        assert (await ended(house, refused.id)) == refused, "its end is told to who follows it"

    run(house, talk)


def test_a_request_that_was_on_its_way_when_it_was_interrupted_is_interrupted_too(tmp_path: Path) -> None:
    house = house_on(tmp_path, SHEET, step_seconds=0.05)

    async def talk(service: Service) -> None:
        accepted, told = asyncio.Event(), asyncio.Event()
        accept = service.scripts._accept

        async def slowly(values: Any, who: Identity) -> Any:
            request = await accept(values, who)
            accepted.set()
            await told.wait()
            return request

        job = await service.scripts.submit("sheet", {"prompt": "red", "steps": 100}, LOCAL_OWNER)
        service.scripts._accept = slowly
        await accepted.wait()
        service.interrupt(job.id, LOCAL_OWNER)
        told.set()
        done = await ended(house, job.id)
        assert (done.state, done.interrupted) == (State.DONE, True)
        (child,) = house.queue.children(job.id)
        assert child.state is State.CANCELLED and not child.pictures

    run(house, talk)


def test_a_guest_has_two_scripts_at_once_and_their_own_pictures_count(tmp_path: Path) -> None:
    script = "def sheet(request, options):\n    yield [request] * 3\n"
    house = house_on(tmp_path, script, step_seconds=0.2)

    async def talk(service: Service) -> None:
        values = {"prompt": "red", "steps": 100}
        first = await service.scripts.submit("sheet", values, GUEST)
        await service.scripts.submit("sheet", values, GUEST)
        with pytest.raises(TooMany, match="You have 2 scripts going"):
            await service.scripts.submit("sheet", values, GUEST)
        await service.scripts.submit("sheet", values, Identity("another", Level.VISITOR))
        service.cancel(first.id, GUEST)
        await ended(house, first.id)
        await service.scripts.submit("sheet", values, GUEST)
        for job in service.jobs_in_line(LOCAL_OWNER):
            if job.parent is None:
                service.cancel(job.id, LOCAL_OWNER)
                await ended(house, job.id)
        house.settings.update({"max_pictures_visitor": 3})
        last = await service.scripts.submit("sheet", values, GUEST)
        done = await ended(house, last.id)
        assert done.problem and "more than the 3 pictures" in done.problem.detail
        assert len(house.queue.children(last.id)) == 2, "with the one of its own that is three"

    run(house, talk)


def test_a_guest_s_script_makes_no_more_than_a_guest_may(tmp_path: Path) -> None:
    house = house_on(tmp_path, "def sheet(request, options):\n    yield [request] * 200\n")

    async def talk(service: Service) -> None:
        most = house.settings.current.max_pictures_visitor
        job = await service.scripts.submit("sheet", {"prompt": "red", "n_iter": most - 1}, GUEST)
        done = await ended(house, job.id)
        assert done.problem and "more than the" in done.problem.detail
        assert len(house.queue.children(job.id)) == 1
        with pytest.raises(UnknownName, match="Did you mean 'sheet'"):
            await service.scripts.submit("shet", {}, GUEST)

    run(house, talk)


def test_what_cannot_be_cancelled_with_its_script_keeps_no_other_from_it() -> None:
    request = ScriptRequest("sheet", GenerationRequest())
    script = Job("script", "me", request, State.FAILED, 1.0, 1.0, task=TASK)
    told: list[str] = []

    def cancel(job_id: str) -> None:
        told.append(job_id)
        raise StorageProblem("The disk is full.")

    waiting = [Job(name, "me", GenerationRequest(), State.QUEUED, 1.0, 1.0, parent="script") for name in ("a", "b")]
    queue: Any = SimpleNamespace(children=lambda job_id: waiting)
    plugins: Any = SimpleNamespace(observe=lambda *_, **__: told.append("hook"))
    unused: Any = None
    parts = Parts(queue, unused, unused, unused, plugins, unused, unused, cancel)
    asyncio.run(aftermath(parts, Ended(script, ())))
    assert told == ["a", "b", "hook"]


SAYS = """
from webui.extend import Saving

def sheet(request, options):
    yield []
    return [(Image.new("RGB", (8, 8)), SAVING)]
"""


def test_a_script_says_what_stands_in_its_picture_s_text(tmp_path: Path) -> None:
    saving = 'Saving(infotext={"CFG scales": "3, 5", "Seed": 77}, chunks={"notes": "mine"})'
    house = house_on(tmp_path, SAYS.replace("SAVING", saving))

    async def talk(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red", "seed": 5}, LOCAL_OWNER)
        (own,) = (await ended(house, job.id)).pictures
        assert 'CFG scales: "3, 5"' in own.infotext and "Seed: 77" in own.infotext
        with open_picture(house.store.path(own.path)) as image:
            assert image.info["notes"] == "mine" and image.info["parameters"] == own.infotext

    run(house, talk)


@pytest.mark.parametrize(
    ("saving", "said"),
    [
        ("5", "it returned int in place of Saving"),
        ('Saving(chunks={"parameters": "mine"})', "can be no keyword"),
        ('Saving(infotext={"": 1})', "can be no key of an infotext"),
    ],
)
def test_what_cannot_stand_there_fails_the_script(tmp_path: Path, saving: str, said: str) -> None:
    house = house_on(tmp_path, SAYS.replace("SAVING", saving))

    async def talk(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red"}, LOCAL_OWNER)
        done = await ended(house, job.id)
        assert done.problem is not None and said in done.problem.detail and "'maker'" in done.problem.detail

    run(house, talk)


def test_an_unknown_script_s_suggestions_are_those_that_one_may_start(tmp_path: Path) -> None:
    script = (
        SHEET
        + """
@hookimpl
def scripts():
    return [
        Script("sheet", "Open", "extension:sheet", level="visitor"),
        Script("sheet-of-owner", "Own", "extension:sheet"),
    ]
"""
    )
    house = house_on(tmp_path, script)

    async def talk(service: Service) -> None:
        for who, told in ((GUEST, False), (LOCAL_OWNER, True)):
            with pytest.raises(UnknownName) as caught:
                await service.scripts.submit("sheet-of-ownr", {"prompt": "red"}, who)
            assert ("sheet-of-owner" in f"{caught.value.detail} {caught.value.remedies}") is told

    run(house, talk)
