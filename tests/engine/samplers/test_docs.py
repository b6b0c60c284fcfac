"""docs/samplers.md lists every row with its own schedule, its options and the calls that it really makes."""

from __future__ import annotations

from pathlib import Path

from webui.engine.schedules import start_scale
from webui.plugins.builtin.samplers import samplers, schedules

PAGE = (Path(__file__).parents[3] / "docs" / "samplers.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the table below a heading of the page, without its two head lines."""
    lines = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0].splitlines()
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


def test_the_schedules_are_those_of_the_page() -> None:
    assert [cells[0] for cells in table("Schedules")] == [row.name for row in schedules()]
