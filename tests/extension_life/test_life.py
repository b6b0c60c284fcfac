"""Installing, updating, switching, removing and taking back: whole, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.extension_life.conftest import House, Repository, Wheel, extension, zipped
from webui.core.errors import Conflict, DarkroomError, InvalidField, NotFound, StorageProblem, UnknownName
from webui.core.paths import PROGRAM_DIR, Paths
from webui.extension_life.content import BadContent
from webui.extension_life.places import Places
from webui.extension_life.pointer import current
from webui.extension_life.task import Stopped, Task
from webui.plugins.loader import load_plugins

SAMPLER = """
from webui.extend import Sampler, hookimpl
import os
os.environ["DARKROOM_TEST_RAN"] = "1"

@hookimpl
def samplers():
    return [Sampler("Mine", "worker:mine")]
"""


def wrapped(path: Path, folder: Path, top: str = "name-0123/") -> Path:
    """An archive as code hosts make it."""
    return zipped(path, {f"{top}{file.name}": file.read_bytes() for file in folder.iterdir()})


def test_every_kind_of_source_gives_the_same_content(
    house: House, repository: Repository, wheel: Wheel, tmp_path: Path, task: Task
) -> None:
    commit = repository.commit("1", code=SAMPLER, permissions=["network"], dependencies=["numpy>=1"])
    folder = extension(tmp_path / "folder", code=SAMPLER, permissions=["network"], dependencies=["numpy>=1"])
    archive = wrapped(tmp_path / "a.zip", folder)
    wheel("dkmine", "3.1", files={f"dkmine/mine/{file.name}": file.read_text() for file in folder.iterdir()})
    plans = [
        house.life.look(source, task) for source in (repository.address, str(folder), str(archive), "pypi:dkmine==3.1")
    ]
    assert len({plan.staged.sha256 for plan in plans}) == 1
    assert (plans[0].staged.pin, plans[1].staged.pin, plans[3].staged.pin) == (commit, "", "3.1")
    assert len(plans[2].staged.pin) == 64
    shown = plans[0].to_json()
    assert (shown["version"], shown["hooks"], shown["dependencies"]) == ("1", ["samplers"], ["numpy>=1"])
    assert shown["permissions"] == [{"name": "network", "means": "asks servers on the network"}]
    assert "DARKROOM_TEST_RAN" not in os.environ, "a look runs nothing"
    assert house.names() == []


def test_what_was_shown_is_what_is_installed(house: House, tmp_path: Path, task: Task) -> None:
    folder = extension(tmp_path / "source", version="1")
    plan = house.life.look(str(folder), task)
    extension(folder, version="2", code="changed meanwhile")
    record = house.life.install(plan.id, task)
    assert (house.own / "mine" / "extension.py").read_text() == ""
    assert (record.version, record.sha256) == ("1", plan.staged.sha256)
    assert house.life.records.get("mine") == record
    assert not house.hidden()
    assert [report.ok for report in load_plugins([house.own], "web").reports] == [True]


def test_a_plan_that_is_being_installed_is_neither_discarded_nor_installed_twice(
    house: House, tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = house.life.look(str(extension(tmp_path / "source")), task)
    put = house.life._put

    def meanwhile(*arguments: Any) -> None:
        house.life.discard(plan.id)
        house.life.discard_all()
        with pytest.raises(NotFound, match="no longer there"):
            house.life.install(plan.id, task)
        raise StorageProblem("The disk is full.")

    monkeypatch.setattr(house.life, "_put", meanwhile)
    with pytest.raises(StorageProblem):
        house.life.install(plan.id, task)
    monkeypatch.setattr(house.life, "_put", put)
    assert house.life.install(plan.id, task).version == plan.staged.manifest.version, "it can be tried again"
    house.life.discard(plan.id)


def test_a_sum_that_is_another_is_refused(house: House, tmp_path: Path, task: Task) -> None:
    folder = extension(tmp_path / "source")
    plan = house.life.look(str(folder), task)
    for good in (plan.staged.sha256, plan.staged.sha256.upper()):
        house.life.look(str(folder), task, sha256=good)
    with pytest.raises(BadContent, match="not what was announced"):
        house.life.look(str(folder), task, sha256="0" * 64)
    assert len(house.hidden()) == 1, "only the newest plan's"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"readme": "x"}, "no extension.toml"),
        ({"a/extension.toml": "", "b/extension.toml": ""}, "several extensions: a, b"),
        ({"extension.toml": "name = 1"}, "lacks version, api"),
        ({"extension.toml": 'name = "../up"\nversion = "1"\napi = "1"'}, "small letters"),
        ({"extension.toml": 'name = "a"\nversion = "1"\napi = "2"'}, "version 2 of the contract"),
        ({"extension.toml": 'name = "a"\nversion = 1\napi = "1"'}, "version must be text"),
        ({"extension.toml": 'name = "a"\nversion = "1"\napi = "1"\nrequires = {}'}, "a list of texts"),
        ({"../extension.toml": "x"}, "leads out of its folder"),
    ],
)
def test_bad_ones_are_refused_and_leave_nothing(
    house: House, tmp_path: Path, task: Task, files: dict[str, str], expected: str
) -> None:
    with pytest.raises(BadContent, match=expected):
        house.life.look(str(zipped(tmp_path / "a.zip", files)), task)
    assert not house.hidden()
    assert house.names() == []


def test_an_update_shows_what_changes_and_keeps_the_old_one(
    house: House, repository: Repository, wheel: Wheel, task: Task
) -> None:
    wheel("dkone", "1.0")
    repository.commit("1", permissions=["files"], author="A")
    house.add(repository.address)
    first = house.life.records.get("mine")
    repository.commit("2", permissions=["network"], dependencies=["dkone"], author="B")
    (newer,) = house.life.newer(task)
    assert newer.newest and not newer.problem
    plan = house.life.look_update("mine", task)
    told = " ".join(plan.changes)
    for words in ("From version 1 to 2", "more permissions: network", "no more for the permissions: files", "dkone"):
        assert words in told
    assert "author is now B, before A" in told
    assert house.life.installed("mine").manifest.version == "1"  # type: ignore[union-attr]
    record = house.life.install(plan.id, task)
    assert record.version == "2" and current(house.paths.state).packages == {"dkone": "1.0"}
    kept = house.life.places.binned("mine")
    assert kept is not None and 'version = "1"' in (kept / "extension.toml").read_text()
    assert house.life.newer(task)[0].newest == ""
    house.life.remove("mine")
    house.life.restore("mine")
    assert house.life.records.get("mine") == record
    assert first is not None and first.pin != record.pin


def test_an_update_that_fails_leaves_everything_as_it_was(
    house: House, tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = extension(tmp_path / "source", version="1")
    house.add(source)
    before = house.life.records.get("mine")
    extension(source, version="2")
    plan = house.life.look_update("mine", task)

    def full(record: object) -> None:
        raise StorageProblem("The disk is full.")

    monkeypatch.setattr(house.life.records, "put", full)
    with pytest.raises(StorageProblem):
        house.life.install(plan.id, task)
    monkeypatch.undo()
    assert house.life.installed("mine").manifest.version == "1"  # type: ignore[union-attr]
    assert house.life.records.get("mine") == before
    assert house.life.install(plan.id, task).version == "2", "it can be tried again"


def test_a_death_in_the_middle_of_an_update_brings_the_old_one_back(house: House, tmp_path: Path, task: Task) -> None:
    house.add(extension(tmp_path / "a"))
    house.life.places.to_bin(house.own / "mine", for_another=True)
    assert house.names() == []
    with house.life.places.alone():
        assert house.names() == ["mine"]
    house.life.remove("mine")
    house.life.places.recover()
    assert house.names() == [], "what a person removed stays away"


def test_packages_that_cannot_be_had_leave_everything_as_it_was(
    house: House, wheel: Wheel, tmp_path: Path, task: Task
) -> None:
    wheel("dkone", "1.0")
    wheel("dkone", "2.0")
    house.add(extension(tmp_path / "a", "a", dependencies=["dkone<2"]))
    before = current(house.paths.state)
    plan = house.life.look(str(extension(tmp_path / "b", "b", dependencies=["dkone>=2"])), task)
    with pytest.raises(Conflict) as caught:
        house.life.install(plan.id, task)
    assert "'a' wants dkone<2" in caught.value.detail and "'b' wants dkone>=2" in caught.value.detail
    assert house.names() == ["a"]
    assert current(house.paths.state) == before
    house.life.disable("a")
    house.life.install(plan.id, task)
    assert current(house.paths.state).packages == {"dkone": "2.0"}
    with pytest.raises(Conflict):
        house.life.enable("a", task)
    assert house.off == ("a",)


def test_one_whose_packages_are_missing_keeps_no_other_from_being_installed(
    house: House, wheel: Wheel, tmp_path: Path, task: Task
) -> None:
    wheel("dkone", "1.0")
    extension(house.own / "hungry", "hungry", dependencies=["dknowhere"])
    house.add(extension(tmp_path / "plain", "plain"))
    house.add(extension(tmp_path / "b", "b", dependencies=["dkone"]))
    assert house.names() == ["b", "hungry", "plain"]
    with pytest.raises(DarkroomError, match="no dknowhere"):
        house.life.install_packages(task)
    assert current(house.paths.state).packages == {"dkone": "1.0"}
    shutil.rmtree(house.own / "hungry")
    house.life.install_packages(Task())
    assert current(house.paths.state).packages == {"dkone": "1.0"}


def test_what_the_core_cannot_have_is_told_before_anybody_agrees(house: House, tmp_path: Path, task: Task) -> None:
    plan = house.life.look(str(extension(tmp_path / "a", "a", dependencies=["numpy<1"])), task)
    assert "wants numpy<1" in plan.problem
    with pytest.raises(Conflict, match="wants numpy<1"):
        house.life.install(plan.id, task)


def test_required_extensions_come_first_and_circles_are_named(house: House, tmp_path: Path, task: Task) -> None:
    plan = house.life.look(str(extension(tmp_path / "a", "a", requires=["b"])), task)
    assert plan.absent == ("b",)
    with pytest.raises(Conflict, match="requires 'b', which is not here"):
        house.life.install(plan.id, task)
    house.add(extension(tmp_path / "b", "b"))
    house.life.install(plan.id, task)
    for act in (house.life.disable, house.life.remove):
        with pytest.raises(Conflict, match="'a' requires it"):
            act("b")
    circle = house.life.look(str(extension(tmp_path / "b", "b", "2", requires=["a"])), task)
    assert "in a circle: b, a, b" in circle.problem
    with pytest.raises(Conflict, match="circle"):
        house.life.install(circle.id, task)


def test_a_name_is_one_extensions_alone(house: House, tmp_path: Path, task: Task) -> None:
    extension(house.paths.program_dir / "extensions" / "built-in", "built-in")
    with pytest.raises(Conflict, match="belongs to Darkroom itself"):
        house.life.look(str(extension(tmp_path / "a", "built_in")), task)
    with pytest.raises(Conflict, match="belongs to Darkroom itself"):
        house.life.remove("built-in")
    extension(house.own / "taken", "other")
    with pytest.raises(Conflict, match="is taken"):
        house.life.look(str(extension(tmp_path / "b", "taken")), task)
    house.add(extension(tmp_path / "c", "my-thing", "1"))
    assert house.add(extension(tmp_path / "d", "my_thing", "2")) == "2", "the same name takes its place"
    assert house.names() == ["built-in", "my_thing", "other"]


def test_what_came_with_the_program_is_not_taken_away_where_both_share_a_folder(tmp_path: Path, task: Task) -> None:
    house = House(tmp_path, program=tmp_path)
    extension(house.own / "bundled", "bundled", author="Darkroom")
    extension(house.own / "byhand", "byhand", author="Ann")
    house.add(extension(tmp_path / "source", "installed", author="Darkroom"))
    with pytest.raises(Conflict, match="belongs to Darkroom itself"):
        house.life.remove("bundled")
    for name in ("byhand", "installed"):
        house.life.remove(name)
    assert house.names() == ["bundled"]


def test_bundled_extensions_name_their_author() -> None:
    places = Places(Paths())
    git = shutil.which("git") or pytest.skip("git is not installed")
    said = subprocess.run([git, "ls-files", "extensions"], cwd=PROGRAM_DIR, capture_output=True, text=True)
    tracked = {line.split("/")[1] for line in said.stdout.splitlines()}
    ours = [found for found in places.found() if found.folder.name in tracked]
    assert [found.name for found in ours if not places.is_bundled(found, installed=False)] == []


def test_switching_is_by_either_name(house: House, tmp_path: Path, task: Task) -> None:
    extension(house.own / "folder-name", "own-name")
    house.off = ("folder-name", "another")
    house.life.enable("own-name", task)
    assert list(house.off) == ["another"]
    house.life.disable("own-name")
    assert list(house.off) == ["another", "own-name"]
    with pytest.raises(UnknownName, match="Did you mean 'own-name'"):
        house.life.disable("own-nam")


def test_removed_ones_come_back_and_names_lead_nowhere(house: House, tmp_path: Path, task: Task) -> None:
    house.add(extension(tmp_path / "a"))
    record = house.life.records.get("mine")
    house.life.disable("mine")
    house.life.remove("mine")
    assert (house.names(), house.off, house.life.records.get("mine")) == ([], (), None)
    secret = tmp_path / "home" / "secret"
    secret.mkdir()
    for name in ("../../secret", "..", ".", "", "/etc"):
        with pytest.raises(NotFound):
            house.life.restore(name)
        with pytest.raises(UnknownName):
            house.life.remove(name)
    assert secret.is_dir()
    house.life.restore("mine")
    assert (house.names(), house.life.records.get("mine")) == (["mine"], record)
    with pytest.raises(NotFound):
        house.life.restore("mine")


def test_one_that_was_deleted_by_hand_does_no_harm(house: House, repository: Repository, task: Task) -> None:
    repository.commit("1")
    house.add(repository.address)
    shutil.rmtree(house.own / "mine")
    assert house.life.newer(task) == []
    for act in (lambda: house.life.look_update("mine", task), lambda: house.life.disable("mine")):
        with pytest.raises(UnknownName):
            act()
    assert house.add(repository.address) == "1"


def test_unknown_origins_are_said(house: House, task: Task) -> None:
    extension(house.own / "mine")
    with pytest.raises(InvalidField, match="by hand"):
        house.life.look_update("mine", task)


def test_an_edited_one_is_told_and_kept(house: House, tmp_path: Path, task: Task) -> None:
    source = extension(tmp_path / "a")
    house.add(source)
    (house.own / "mine" / "extension.py").write_text("my change")
    extension(source, version="2")
    plan = house.life.look_update("mine", task)
    assert "changed by hand" in plan.changes[0]
    house.life.install(plan.id, task)
    kept = house.life.places.binned("mine")
    assert kept is not None and (kept / "extension.py").read_text() == "my change"


def test_one_change_at_a_time(house: House, tmp_path: Path, task: Task) -> None:
    plan = house.life.look(str(extension(tmp_path / "a")), task)
    with house.life.places.alone(), pytest.raises(Conflict, match="Another extension"):
        house.life.install(plan.id, task)
    house.life.install(plan.id, task)


def test_stopping_and_discarding_leave_nothing(house: House, tmp_path: Path) -> None:
    task = Task()
    task.stop()
    with pytest.raises(Stopped):
        house.life.look(str(extension(tmp_path / "a")), task)
    plan = house.life.look(str(tmp_path / "a"), Task())
    house.life.discard(plan.id)
    house.life.discard(plan.id)
    assert not house.hidden()
    with pytest.raises(NotFound, match="no longer there"):
        house.life.install(plan.id, Task())


def test_a_full_or_closed_disk_is_a_sentence(house: House, tmp_path: Path, task: Task) -> None:
    house.paths.data_dir.mkdir(exist_ok=True)
    house.own.write_text("a file in its place")
    with pytest.raises(StorageProblem, match="cannot be written"):
        house.life.look(str(extension(tmp_path / "a")), task)


def test_readers_are_not_disturbed_by_installations(house: House, tmp_path: Path, task: Task) -> None:
    """Whoever looks meanwhile sees the old one or the new one whole, but for the moment between the two moves."""
    source = extension(tmp_path / "a", version="0")
    house.add(source)
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for found in house.life.places.found():
                seen.add(found.manifest.version if found.manifest else found.problem)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for version in range(1, 20):
            extension(source, version=str(version))
            house.life.install(house.life.look_update("mine", task).id, task)
    finally:
        over.set()
        reader.join()
    assert {one for one in seen if not one.isdigit()} <= {
        "It has no extension.toml, so it is no extension for Darkroom."
    }


def test_every_error_is_for_a_person(house: House, task: Task) -> None:
    for source in ("https://localhost.invalid/a.zip", "git+https://localhost.invalid/a.git", "what is this"):
        with pytest.raises(DarkroomError) as caught:
            house.life.look(source, task)
        assert "Traceback" not in caught.value.detail and caught.value.detail.endswith(".")
