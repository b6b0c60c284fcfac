"""`extensions dev`: which change concerns the page and which the worker only, and what is done about it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from webui.author.dev import Server, follow
from webui.author.skeleton import write_skeleton
from webui.author.watch import changed, part_for, stamps_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_skeleton("my-frame", tmp_path)
    extension = made / "extension.py"
    extension.write_text(extension.read_text() + "from .shared import words\nfrom . import helper\n")
    for name in ("helper.py", "numbers.py", "shared/__init__.py", "shared/words.py", "web/look.css", "shared/deep.py"):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text("")
    (made / "shared" / "words.py").write_text("from . import deep\n")
    return made


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("extension.py", "page"),
        ("extension.toml", "page"),
        ("helper.py", "page"),
        ("shared/__init__.py", "page"),
        ("shared/words.py", "page"),
        ("shared/deep.py", "page"),
        ("web/look.css", "page"),
        ("locales/de.toml", "page"),
        ("worker.py", "worker"),
        ("numbers.py", "worker"),
    ],
)
def test_a_file_belongs_to_whoever_loads_it(folder: Path, file: str, part: str) -> None:
    assert part_for(folder, [Path(file)]) == part
    assert part_for(folder, [Path("worker.py"), Path(file)]) == part


def test_files_that_change_come_and_go_are_seen_and_those_of_tests_are_not(folder: Path) -> None:
    before = stamps_of(folder)
    (folder / "worker.py").write_text("# another")
    (folder / "helper.py").unlink()
    (folder / "new.py").write_text("")
    (folder / "tests" / "test_more.py").write_text("")
    (folder / ".swp").write_text("")
    assert changed(before, stamps_of(folder)) == {Path("worker.py"), Path("helper.py"), Path("new.py")}


class Stub(Server):
    """A server that notes what is done with it."""

    def __init__(self) -> None:
        super().__init__(())
        self.did: list[str] = []
        self.over = False

    def start(self) -> None:
        self.did.append("start")

    def stop(self) -> None:
        self.did.append("stop")

    @property
    def code(self) -> int | None:
        return 3 if self.over else None


def test_what_is_saved_begins_anew_and_the_servers_end_is_its_end(folder: Path) -> None:
    server, said, done = Stub(), list[str](), threading.Event()

    def say(words: str) -> None:
        said.append(words)
        done.set()

    def renew() -> None:
        server.did.append("renew")

    def save(name: str) -> None:
        done.clear()
        (folder / name).write_text("# saved")
        assert done.wait(20)

    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(follow(folder, server, renew, say, look_seconds=0.02)))
    thread.start()
    while not server.did:
        done.wait(0.01)
    done.wait(0.2)
    save("worker.py")
    done.clear()
    (folder / "worker.py").write_text("def f(:")
    assert done.wait(20)
    save("extension.py")
    server.over = True
    thread.join(20)
    assert codes == [3]
    assert server.did == ["start", "renew", "stop", "start", "stop"]
    assert said == [
        "worker.py changed: the worker is renewed once it has no job.",
        "worker.py: line 1: invalid syntax. Nothing is begun anew for that.",
        "extension.py changed: Darkroom starts again.",
    ]
