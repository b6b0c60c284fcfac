"""A commit, a tag, a branch and the newest of a repository; its pin is always the whole commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.extension_life.conftest import Repository
from webui.core.errors import DarkroomError, InvalidField
from webui.extension_life import git
from webui.extension_life.content import BadContent
from webui.extension_life.sources import Source
from webui.extension_life.task import Stopped, Task


def test_each_way_to_name_a_commit(repository: Repository, tmp_path: Path, task: Task) -> None:
    first = repository.commit("1")
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.git("branch", "old")
    second = repository.commit("2")
    wanted = {"": second, "main": second, "v1": first, "old": first, first: first}
    for number, (ref, commit) in enumerate(wanted.items()):
        target = tmp_path / f"out{number}"
        assert git.fetch(Source("git", repository.address, ref), target, task) == commit
        version = "1" if commit == first else "2"
        assert f'version = "{version}"' in (target / "extension.toml").read_text()
        assert not (target / ".git").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["repository", *(f"out{n}" for n in range(len(wanted)))]
    )


def test_what_is_not_there_is_said(repository: Repository, tmp_path: Path, task: Task) -> None:
    repository.commit("1")
    for ref in ("v9", "0123abc"):
        with pytest.raises(InvalidField, match="no branch or tag"):
            git.fetch(Source("git", repository.address, ref), tmp_path / "out", task)
    with pytest.raises(InvalidField, match="no commit 0123456789"):
        git.fetch(Source("git", repository.address, "0123456789" * 4), tmp_path / "out", task)
    with pytest.raises(DarkroomError, match=r"no repository at|is not there"):
        git.fetch(Source("git", (tmp_path / "gone").as_uri()), tmp_path / "out", task)


def test_a_repositorys_link_is_refused(repository: Repository, tmp_path: Path, task: Task) -> None:
    (repository.folder / "passwd").symlink_to("/etc/passwd")
    repository.commit("1")
    with pytest.raises(BadContent, match="a link"):
        git.fetch(Source("git", repository.address), tmp_path / "out", task)


def test_its_hooks_and_filters_do_not_run(repository: Repository, tmp_path: Path, task: Task) -> None:
    mark = tmp_path / "ran"
    repository.git("config", "filter.x.smudge", f"touch {mark}")
    (repository.folder / ".gitattributes").write_text("* filter=x\n")
    hook = repository.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    repository.commit("1")
    git.fetch(Source("git", repository.address), tmp_path / "out", task)
    assert not mark.exists()


def test_it_stops_and_leaves_nothing(repository: Repository, tmp_path: Path, task: Task) -> None:
    repository.commit("1")
    task.say = lambda words: task.stop()
    with pytest.raises(Stopped):
        git.fetch(Source("git", repository.address), tmp_path / "out", task)
    assert not (tmp_path / "out.git").exists()
