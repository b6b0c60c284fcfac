"""docs/samplers.md lists every row with its own schedule, its options and the calls that it really makes."""

from __future__ import annotations

import re
from pathlib import Path

import diffusers
import pytest

from webui.core.sampler_fields import OPTIONS
from webui.engine.schedules import start_scale
from webui.plugins.builtin.samplers import samplers, schedules

PAGE = (Path(__file__).parents[3] / "docs" / "samplers.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the table below a heading of the page, without its two head lines."""
    lines = re.split(r"\n##+ ", PAGE.split(f"## {heading}\n")[1])[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return rows[2:]


def test_the_samplers_are_as_the_page_says(bench, start) -> None:
    actual = []
    for row in samplers():
        sigmas = bench.levels(row, 20)
        x = start * start_scale(row, sigmas[0], bench.model)
        _, asks = bench.drive(row, x, sigmas, bench.bent, steps=20)
        calls = "its own" if row.name == "DPM adaptive" else str(len(asks))
        actual.append([row.name, row.schedule, calls, ", ".join(row.options)])
    assert [cells[:4] for cells in table("Samplers")] == actual


def test_the_options_are_those_of_the_page() -> None:
    said = [name for cells in table("Options") for name in re.findall(r"`(\w+)`", cells[0])]
    assert sorted(said) == sorted(OPTIONS)


def scheduler_classes() -> set[str]:
    """All of diffusers, those too whose packages are missing."""
    names = {name for name in dir(diffusers) if name.endswith("Scheduler")}
    deprecated = {name for name in dir(diffusers.schedulers.deprecated) if name.endswith("Scheduler")}
    return names | deprecated


def test_every_scheduler_class_is_a_row_or_has_its_reason_on_the_page() -> None:
    rows = {row.aliases[0] for row in samplers() if row.group == "diffusers"}
    reasons = dict(table("Classes of diffusers"))
    assert rows | set(reasons) == scheduler_classes()
    assert not rows & set(reasons)


@pytest.mark.parametrize("row", [row for row in samplers() if row.group == "diffusers"], ids=lambda row: row.name)
def test_a_row_of_diffusers_is_the_class_that_it_names(row) -> None:
    assert row.function.endswith(":" + row.aliases[0]) and row.name.endswith(" (diffusers)")


def test_the_schedules_are_those_of_the_page() -> None:
    assert [cells[0] for cells in table("Schedules")] == [row.name for row in schedules()]
