"""Two starts at once: the second waits for the first, and says so."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from webui.bootstrap.lock import only_one


def test_the_second_start_waits_for_the_first_and_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with only_one(tmp_path / ".venv"):
            inside.set()
            go_on.wait(30)
            order.append("first")

    def second() -> None:
        with only_one(tmp_path / ".venv"):
            order.append("second")

    one = threading.Thread(target=first)
    one.start()
    assert inside.wait(30)
    two = threading.Thread(target=second)
    two.start()
    two.join(0.5)
    assert two.is_alive() and order == []
    go_on.set()
    one.join(30)
    two.join(30)
    assert order == ["first", "second"]
    assert "waits for it" in "".join(capfd.readouterr())


def test_a_start_alone_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with only_one(tmp_path / ".venv"):
            pass
    assert "".join(capfd.readouterr()) == ""


def test_a_folder_that_cannot_be_written_is_no_obstacle_here(tmp_path: Path) -> None:
    with only_one(tmp_path / "missing" / ".venv"):
        pass
