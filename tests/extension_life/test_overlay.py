"""Packages of extensions: resolved together, under the core's own, in a folder that shadows nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.extension_life.conftest import Wheel
from webui.core.errors import Conflict
from webui.extension_life import overlay, pip
from webui.extension_life.pointer import FOLDER, current, sweep, switch, use_packages
from webui.extension_life.run import Outcome, ProgramProblem
from webui.extension_life.task import Stopped, Task


@pytest.fixture(autouse=True)
def path_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def left(state: Path) -> list[str]:
    """What was begun and not finished."""
    return [path.name for path in (state / FOLDER).glob(".*")]


def test_what_extensions_want_is_resolved_together(tmp_path: Path, wheel: Wheel, task: Task) -> None:
    wheel("dkbase", "1.0")
    wheel("dkbase", "2.0")
    wheel("dkone", "1.0", needs=("dkbase<2",))
    built = overlay.build({"a": ["dkone"], "b": ["dkbase>=1"]}, tmp_path, task)
    assert built.packages == {"dkone": "1.0", "dkbase": "1.0"}
    assert current(tmp_path).folder is None, "nothing counts before it is switched to"
    switch(built, tmp_path)
    use_packages(tmp_path)
    assert sys.path[-1] == str(built.folder)
    assert importlib.import_module("dkone").VERSION == "1.0"
    assert overlay.missing(["dkone", "dkbase>=2", 'dknothing; sys_platform == "vms"'], tmp_path) == ["dkbase>=2"]
    assert not left(tmp_path)


def test_what_the_core_has_is_not_installed_again(tmp_path: Path, wheel: Wheel, task: Task) -> None:
    wheel("numpy", "999.0", files={"numpy.py": "raise SystemError"})
    wheel("dkone", "1.0", needs=("numpy", "packaging"))
    built = overlay.build({"a": ["dkone", "numpy>=1"]}, tmp_path, task)
    assert built.packages == {"dkone": "1.0"}
    assert built.folder is not None and not (built.folder / "numpy.py").exists()
    assert overlay.build({"a": ["numpy>=1"]}, tmp_path, task).folder is None, "nothing is missing"


def test_a_package_that_brings_a_cores_module_does_not_shadow_it(tmp_path: Path, wheel: Wheel, task: Task) -> None:
    wheel("dkevil", "1.0", files={"pydantic.py": "raise SystemError('shadowed')", "json.py": "raise SystemError"})
    switch(overlay.build({"a": ["dkevil"]}, tmp_path, task), tmp_path)
    code = (
        "import sys, pathlib; from webui.extension_life.pointer import use_packages;"
        f"use_packages(pathlib.Path({str(tmp_path)!r})); import json, pydantic; print(sys.path[-1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert FOLDER in done.stdout


def test_against_the_core_both_sides_are_named_without_asking_pip(tmp_path: Path, task: Task) -> None:
    version = pip.packages_outside(tmp_path)["numpy"]
    with pytest.raises(Conflict, match=rf"'greedy' wants numpy<1, and Darkroom itself runs on numpy {version}"):
        overlay.build({"fine": ["numpy"], "greedy": ["numpy<1"]}, tmp_path, task)
    assert not (tmp_path / FOLDER).exists()


def test_two_extensions_that_exclude_each_other_are_both_named(tmp_path: Path, wheel: Wheel, task: Task) -> None:
    wheel("dkbase", "1.0")
    wheel("dkbase", "2.0")
    with pytest.raises(Conflict) as caught:
        overlay.build({"a": ["dkbase<2"], "b": ["dkbase>=2"]}, tmp_path, task)
    assert "'a'" in caught.value.detail and "'b'" in caught.value.detail
    assert "dkbase<2" in caught.value.detail and "dkbase>=2" in caught.value.detail
    assert not left(tmp_path)


def test_a_package_that_would_change_the_core_is_refused(tmp_path: Path, wheel: Wheel, task: Task) -> None:
    wheel("dkone", "1.0", needs=("numpy<1",))
    with pytest.raises(Conflict) as caught:
        overlay.build({"a": ["dkone"]}, tmp_path, task)
    assert "numpy" in caught.value.detail and "'a'" in caught.value.detail and "Darkroom" in caught.value.detail


def test_what_no_index_has_is_said(tmp_path: Path, wheel: Wheel, task: Task) -> None:
    wheel("dkone", "1.0")
    with pytest.raises(ProgramProblem, match="has no dknowhere"):
        overlay.build({"a": ["dknowhere"]}, tmp_path, task)
    with pytest.raises(ProgramProblem, match=r"has no dkone>=2 .* newest there: 1.0"):
        overlay.build({"a": ["dkone>=2"]}, tmp_path, task)
    assert not left(tmp_path)


def test_no_network_is_a_sentence() -> None:
    said = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a "
        "new connection: [Errno -3] Temporary failure in name resolution')': /simple/einops/\n"
        "ERROR: Could not find a version that satisfies the requirement einops (from versions: none)"
    )
    assert "index cannot be reached, so einops" in pip.problem(Outcome(1, "", said), "einops").detail


def test_the_same_wishes_give_the_same_folder_and_old_ones_are_swept(tmp_path: Path, wheel: Wheel, task: Task) -> None:
    wheel("dkone", "1.0")
    wheel("dktwo", "1.0")
    first = overlay.build({"a": ["dkone"]}, tmp_path, task)
    switch(first, tmp_path)
    assert overlay.build({"b": ["dkone"]}, tmp_path, task) == first
    second = overlay.build({"a": ["dkone", "dktwo"]}, tmp_path, task)
    switch(second, tmp_path)
    assert first.folder is not None and first.folder.is_dir(), "a running process may use it"
    sweep(tmp_path)
    assert not first.folder.exists()
    assert current(tmp_path) == second


def test_it_stops_and_leaves_nothing(tmp_path: Path, wheel: Wheel, task: Task) -> None:
    wheel("dkone", "1.0")
    task.say = lambda words: task.stop()
    with pytest.raises(Stopped):
        overlay.build({"a": ["dkone"]}, tmp_path, task)
    assert not left(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"folder": "../..", "packages": {}, "wanted": []}',
        '{"folder": "gone", "packages": {}, "wanted": []}',
        '{"folder": 1, "packages": 2}',
    ],
)
def test_a_damaged_pointer_leads_nowhere(tmp_path: Path, text: str) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "current.json").write_text(text)
    before = list(sys.path)
    use_packages(tmp_path)
    assert (current(tmp_path).folder, sys.path) == (None, before)
