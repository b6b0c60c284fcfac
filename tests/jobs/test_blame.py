"""An extension inside of which three processes die in a row is left out of the fourth."""

from __future__ import annotations

from pathlib import Path

from webui.jobs.executors.blame import Blame
from webui.jobs.executors.worker import left_out
from webui.plugins.loader import load_plugins


def test_one_that_is_switched_on_again_is_tried_as_often_as_at_first() -> None:
    blame = Blame()
    for _ in range(3):
        blame.died(["bad", "worse"], "It crashed.")
    assert blame.names == ("bad", "worse")
    blame.forgive(["worse"])
    assert blame.names == ("worse",)
    blame.died(["bad"], "It crashed.")
    blame.died(["bad"], "It crashed.")
    assert blame.names == ("worse",)
    blame.died(["bad"], "It crashed.")
    assert blame.names == ("worse", "bad")


def test_three_deaths_in_a_row_inside_one_extension() -> None:
    blame = Blame()
    assert blame.died(["bad", "near"], "It crashed.") == "It crashed. It was inside the extension 'bad' and 'near'."
    blame.died(["bad"], "It crashed.")
    assert blame.names == ()
    assert blame.died(["bad"], "The extension 'bad' has not come back.") == "The extension 'bad' has not come back."
    (one,) = blame.left_out
    assert one.extension == "bad" and "3 workers in a row died inside it" in one.problem


def test_a_death_elsewhere_begins_the_count_anew() -> None:
    blame = Blame()
    for inside in (["bad"], ["bad"], [], ["bad"], ["bad"]):
        blame.died(inside, "It crashed.")
    assert blame.names == ()
    blame.died(["bad"], "It crashed.")
    assert blame.names == ("bad",)


def test_of_those_of_one_name_the_one_that_is_loaded_is_not_left_out(tmp_path: Path) -> None:
    torn = "import nothing_there"
    for folder, name, source, api in (
        ("bad", "bad", "", 9),
        ("better", "bad", "", 1),
        ("one", "twin", "", 1),
        ("torn", "torn", torn, 1),
        ("torn2", "torn", "", 1),
        ("two", "twin", "", 1),
    ):
        (tmp_path / folder).mkdir()
        manifest = f'name = "{name}"\nversion = "1"\napi = "{api}"\n'
        (tmp_path / folder / "extension.toml").write_text(manifest, encoding="utf-8")
        (tmp_path / folder / "extension.py").write_text(f'"""Nothing."""\n{source}\n', encoding="utf-8")
    reports = load_plugins([tmp_path], "worker").reports
    loaded = [(report.folder and report.folder.name) for report in reports if report.ok]
    assert len(reports) == 6 and loaded == ["better", "one"]
    [told] = left_out(reports)
    assert told.extension == "torn" and "nothing_there" in told.problem
