"""The bench's parts about true-sized models, tried with small ones: what they measure is not a test's matter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from tests.engine.helpers import write_checkpoint
from tools.bench import ladder as bench_ladder
from tools.bench.adapters import adapters
from tools.bench.aside import aside
from tools.bench.conditioning import conditioning
from tools.bench.hooks import hooks
from tools.bench.ladder import ladder
from tools.bench.loading import loading
from tools.bench.manager import manager
from tools.bench.model_shapes import SMALL, TRUE, sd1, sdxl
from tools.bench.pictures import Work
from tools.bench.random_files import write
from tools.bench.speed import ENGINES, LARGE_OPTIONS, OPTIONS, speed
from tools.bench.swapping import swapping
from webui.core.errors import DarkroomError
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.compiling.compiler import Compiler
from webui.engine.memory.ladder import Climb
from webui.engine.memory.placing import Placer
from webui.engine.pipelines import Pipelines

TINY = replace(SMALL, tokens=TRUE.tokens, unet=(64,) * 4)


def test_the_true_sizes_are_those_of_the_published_files() -> None:
    # Their numbers of parameters, EMA and tables of noise levels left out.
    assert sum(map(math.prod, sd1(TRUE).values())) == pytest.approx(1.066e9, rel=1e-3)
    assert sum(map(math.prod, sdxl(TRUE).values())) == pytest.approx(3.469e9, rel=1e-3)


@pytest.mark.parametrize(("label", "family"), [("sd15", "sd1"), ("sdxl", "sdxl")])
def test_a_random_file_is_a_model_that_can_be_used(tmp_path: Path, label: str, family: str) -> None:
    write(label, tmp_path / "m.safetensors", torch.float8_e4m3fn, TINY)
    (found,) = Catalogue((tmp_path,)).all()
    assert (found.family, found.problem) == (family, None)


def test_loading_measures_both_sides_on_one_file(tmp_path: Path) -> None:
    rows = loading(tmp_path, 1, 0, TINY)
    assert [row.bar for row in rows] == ["at most 1.5"] * 2 and all(row.value and row.value > 0 for row in rows)
    assert [len(row.samples["safetensors"]) for row in rows] == [1, 1] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("label", ["sd15", pytest.param("sdxl", marks=pytest.mark.slow)])
def test_the_engine_and_the_pipeline_draw_the_same_picture(tmp_path: Path, label: str) -> None:
    [row] = manager(label, tmp_path, Work(64, 64, 2, 1, 0, "64 x 64"), 0, TINY)
    assert row.value and row.value > 0
    # Random weights make more of rounding than trained ones.
    assert any(f"at most {apart}/255 apart" in row.note for apart in range(5))


@pytest.mark.parametrize("compiles", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_each_speed_option_is_timed_and_its_picture_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiles: bool
) -> None:
    write_checkpoint(tmp_path / "tiny")
    ran: list[bool] = []
    run = Compiler.run
    monkeypatch.setattr(Compiler, "run", lambda *arguments: ran.append(True) or run(*arguments))
    if not compiles:
        # What is not compiled is run as it is, by the same way.
        monkeypatch.setattr(torch, "compile", lambda block, **options: lambda *given, **named: None)
    rows = speed(tmp_path / "tiny", Work(64, 64, 12, 1, 0, "64 x 64"), "cpu", 0, 512)
    assert len(rows) == len(OPTIONS) + len(LARGE_OPTIONS) + len(ENGINES) + 3
    assert all(row.value and row.value > 0 for row in rows)
    # Blocks of a UNet, in both rounds of 12 steps.
    assert len(ran) >= 2 * 12
    apart = {row.name: row.note.endswith("; 0.00/255 apart") for row in rows}
    assert not any(same for name, same in apart.items() if "plain again" not in name and "worker" not in name)
    assert all(same for name, same in apart.items() if "plain again" in name)


def test_each_rung_is_climbed_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path / "tiny")
    taken: list[str] = []
    moved: list[bool] = []
    up, away, real = Climb.up, Pipelines.move_away, bench_ladder.engine_on

    def watched(climb: Climb) -> bool:
        before = set(climb.notes)
        found = up(climb)
        taken.extend(set(climb.notes) - before)
        return found

    @contextmanager
    def beside_a_card(*arguments: Any, **options: Any) -> Iterator[Any]:
        cpu = torch.device("cpu")
        with real(*arguments, **options) as (engine, told):
            engine._pipelines._placer = Placer(cpu, torch.float32, "automatic", move=torch.clone, least_block=1)
            yield engine, told

    def watched_move(pipelines: Pipelines, models: Any) -> bool:
        moved.append(away(pipelines, models))
        return moved[-1]

    monkeypatch.setattr(Climb, "up", watched)
    monkeypatch.setattr(Pipelines, "move_away", watched_move)
    monkeypatch.setattr(bench_ladder, "engine_on", beside_a_card)
    rows = ladder(tmp_path / "tiny", Work(64, 64, 2, 1, 0, "64 x 64"), "cpu", 0)
    assert len(rows) == 2 + 4 * 3 and all(row.value and row.value > 0 for row in rows)
    # Twice each, the round that warms up counted.
    words = [note.split()[-1] for note in taken]
    assert words[:8] == [word for word in ("room.", "before.", "sub-quadratic.", "tiles.") for _ in range(2)]
    # Where memory stays short, cheaper attention is no help before the model waits in RAM.
    assert moved == [True, True] and words[8:].count("sub-quadratic.") == 2 and words[-1] == "sub-quadratic."


def test_where_models_are_in_ram_anyway_nothing_moves_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path / "tiny")
    monkeypatch.setattr(bench_ladder, "RUNGS", bench_ladder.RUNGS[-1:])
    [row] = ladder(tmp_path / "tiny", Work(64, 64, 2, 1, 0, "64 x 64"), "cpu", 0)
    assert row.value is None and "only where a GPU is" in row.note


def test_known_texts_are_timed_beside_those_encoded_anew(tmp_path: Path) -> None:
    [row] = conditioning(tmp_path, 2, "cpu", 1, TINY)
    # Four chunks of both texts go through the encoder, or none.
    assert row.value is not None and 0 < row.value < 0.8
    assert [len(times) for times in row.samples.values()] == [2, 2]


def test_exchanged_adapters_are_timed_beside_the_same_by_hand() -> None:
    rows = adapters(2, "cpu", 1, widths=(32,) * 4, steps=1)
    # A picture is put together from three measured parts.
    assert [len(row.samples) for row in rows] == [2, 3, 3, 2] and all(row.value and row.value > 0 for row in rows)


def test_hooks_are_timed_each_by_itself() -> None:
    none, *rows = hooks("cpu", 1, 2)
    assert none.met and none.value is not None and none.value < 1
    assert [row.name.split()[1] for row in rows] == ["before_step,", "guidance,", "patch_model,"] * 2
    assert all(row.value is not None and row.value > 0.5 for row in rows)


def test_on_a_cpu_only_a_model_that_had_to_leave_is_read_again(tmp_path: Path) -> None:
    one, both = swapping(tmp_path, 2, "cpu", widths=SMALL)
    assert "room for one" in one.name and "room for both" in both.name
    # The bare copy is the same in both.
    assert one.value and both.value and one.value > 10 * both.value > 0
    assert one.bar == both.bar == ""


def test_where_memory_is_short_no_model_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=3 * 2**30))
    for [row] in (swapping(tmp_path, 1, "cpu"), manager("sdxl", tmp_path, Work(64, 64, 2, 1, 0, "64 x 64"), 0)):
        assert row.value is None and "GiB of memory, and 3 are free" in row.note
    assert not list(tmp_path.iterdir())


def test_what_fails_in_the_other_process_is_raised_here() -> None:
    assert aside("math:hypot", 3.0, 4.0) == 5.0
    with pytest.raises(ValueError, match="math domain error"):
        aside("math:sqrt", -1.0)
    with pytest.raises(DarkroomError, match="want of memory"):
        aside("os:_exit", 3)
