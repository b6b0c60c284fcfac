"""The bar is redrawn in place on a terminal, and only notes are written elsewhere."""

from __future__ import annotations

import io

import pytest

from webui.commands.progress import Progress
from webui.core.events import Finished, Loading, Note, Queued, Step


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_a_terminal_sees_the_newest_state_and_nothing_stays() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.show(Queued(2, "the worker stopped"))
    progress.show(Loading("Loading darkroom-starter"))
    progress.show(Step(5, 20, 2, 4, seconds_left=125.4))
    progress.show(Finished(1))
    states = stream.getvalue().split("\r")
    assert states[1] == "Waiting: 2 jobs before it (the worker stopped)"
    assert states[2].rstrip() == "Loading darkroom-starter"
    assert states[3].startswith("[########----------------] step 5 of 20, batch 2 of 4, 2 min 5 s left")
    assert states[-1] == "" and states[-2].strip() == ""


def test_a_line_that_stays_leaves_nothing_of_the_bar() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.show(Step(1, 2))
    width = len(stream.getvalue()) - 1
    progress.line("Something was replaced.")
    assert stream.getvalue().endswith("\r" + " " * width + "\rSomething was replaced.\n")


def test_long_texts_stay_on_their_line() -> None:
    stream = Terminal()
    Progress(stream).show(Loading("x" * 500))
    assert len(stream.getvalue()) == 100


def test_elsewhere_only_notes_are_written() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for event in (Queued(1), Loading("x"), Step(1, 2), Note("Something was replaced."), Finished(1)):
        progress.show(event)
    assert stream.getvalue() == "Something was replaced.\n"
