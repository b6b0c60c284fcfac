"""What a bench found: rows with their bar, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from webui.images.metadata import versions


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `bar` says in words what was asked for, `met` whether it was; both absent for plain facts.
    `value` is None where it could not be measured, and `note` says why.

    `samples` are the single measurements behind it, in the order they were taken.
    """

    name: str
    value: float | None
    unit: str
    bar: str = ""
    met: bool | None = None
    note: str = ""
    samples: dict[str, list[float]] = field(default_factory=dict)


def at_most(name: str, value: float, bar: float, unit: str = "times", **more: Any) -> Row:
    """A row whose value should not pass `bar`."""
    return Row(name, value, unit, f"at most {bar:g}", value <= bar, **more)


def at_least(name: str, value: float, bar: float, unit: str = "times", **more: Any) -> Row:
    """A row whose value should reach `bar`."""
    return Row(name, value, unit, f"at least {bar:g}", value >= bar, **more)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the pairs' ratios: each pair was taken side by side, so slow minutes fall on both."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def chance(ours: Sequence[float]) -> str:
    """A against A in words: how far apart two measurements of the same thing lie, as a ratio."""
    if len(ours) < 2:
        return "ours once only"
    ratios = [max(a, b) / min(a, b) for a, b in pairwise(ours)]
    return f"ours / ours again {statistics.median(ratios):.2f}"


def lacking(name: str, gib: int) -> Row | None:
    """The row in place of a figure that takes so much memory, where it is not free."""
    free = psutil.virtual_memory().available / 2**30
    return (
        Row(name, None, "times", note=f"it takes {gib} GiB of memory, and {free:.0f} are free") if free < gib else None
    )


def machine() -> dict[str, Any]:
    """This machine in a few words."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": [round(load, 2) for load in psutil.getloadavg()],
        "python": platform.python_version(),
    }


def report(rows: Sequence[Row], setup: dict[str, Any]) -> dict[str, Any]:
    """All of it as JSON-ready data."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": machine(),
        "versions": versions(),
        "setup": setup,
        "rows": [asdict(row) for row in rows],
    }


def write(path: Path, data: dict[str, Any]) -> None:
    """The JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def cells(row: Row) -> list[str]:
    """The row as texts for a table."""
    mark = "" if row.met is None else "ok" if row.met else "MISSED"
    value = "-" if row.value is None else f"{row.value:,.{_digits(row.value)}f} {row.unit}"
    return [row.name, value, row.bar, mark, row.note]


def _digits(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 20 else 3 if abs(value) < 2 else 2


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
