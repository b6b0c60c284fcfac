"""The bench's own arithmetic and helpers; what it measures is not a test's matter."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from tools.bench import pictures, results
from tools.bench.bare_page import BUTTON, build, known
from tools.bench.pictures import CURVE, SAMPLERS, Work
from tools.bench.results import Row, at_least, at_most, cells, chance, ratio, report, write
from tools.bench.saving import picture, saving
from webui.commands import bench as command
from webui.core.errors import InvalidField
from webui.core.registry import Registry

WORK = Work(128, 128, 20, 1, 1, "128")


def test_a_bar_is_met_or_missed() -> None:
    assert at_most("x", 1.02, 1.02).met and not at_most("x", 1.03, 1.02).met
    assert at_least("x", 2.0, 2.0).met and not at_least("x", 1.9, 2.0).met
    assert cells(at_most("x", 1.03, 1.02))[1:4] == ["1.030 times", "at most 1.02", "MISSED"]
    assert cells(Row("x", None, "s", note="why"))[1:] == ["-", "", "", "why"]


def test_a_slow_minute_falls_on_both_sides() -> None:
    assert ratio([1, 10, 1], [2, 20, 2]) == 0.5


def test_chance_is_a_against_a() -> None:
    assert chance([1.0, 2.0, 1.0]) == "ours / ours again 2.00"
    assert chance([1.0]) == "ours once only"


def test_the_report_is_json_with_machine_and_versions(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "bench.json", report([at_most("x", 1, 2, samples={"a": [1.0]})], {"steps": 20}))
    data = json.loads((tmp_path / "deep" / "bench.json").read_text("utf-8"))
    assert data["rows"][0]["samples"] == {"a": [1.0]} and data["setup"] == {"steps": 20}
    assert data["machine"]["threads"] >= 1 and "torch" in data["versions"]


def test_clients_differ_in_all_that_the_bar_names(registry: Registry) -> None:
    requests = [WORK.request(n, SAMPLERS[n % len(SAMPLERS)], 2 + n / 2) for n in range(pictures.CLIENTS)]
    for key in ("prompt", "seed", "cfg_scale"):
        assert len({request[key] for request in requests}) == pictures.CLIENTS
    assert all(registry.samplers.get(name).order == 1 for name in SAMPLERS)
    assert all(request["cfg_scale"] > 1 for request in requests), "each asks for two rows a step"


def test_the_batch_curve_bounds_by_its_best_point() -> None:
    curve = {rows: 1.0 + rows for rows in CURVE}
    requests = [WORK.request(0), WORK.request(1, "DDIM")]
    # 20 calls and DDIM's 19, two rows each, at 33 seconds for 32 rows.
    assert pictures._unet_seconds(requests, curve) == pytest.approx(2 * 39 * 33 / 32)


def test_pictures_are_held_side_by_side(tmp_path: Path) -> None:
    for name, colour in (("a", (10, 20, 30)), ("b", (10, 23, 29))):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    assert pictures._apart(tmp_path / "a.png", tmp_path / "b.png") == 3


def test_saving_is_measured_on_pictures_that_compress_like_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.bench.saving.SIDES", (64,))
    (row,) = saving(tmp_path)
    assert row.value and row.value > 0 and row.unit == "ms"
    assert len(set(picture(64).get_flattened_data())) > 1000


def test_a_bare_page_has_the_components_that_it_is_told() -> None:
    counts = Counter({"textbox": 2, "slider": 3, "html": 1, "button": 2, "dropdown": 1, "image": 1})
    blocks = build(counts)
    found = Counter(
        type(block).__name__.lower() for block in blocks.blocks.values() if isinstance(block, gr.components.Component)
    )
    assert found == counts + Counter({"button": 1})
    assert any(block.elem_id == BUTTON for block in blocks.blocks.values())
    assert all(known(name) for name in counts) and not known("row") and not known("tabitem") and not known("nonsense")


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(InvalidField, match=r"PART must be one of .*clients.* not 'velocity'"):
        command.run(["velocity"])


def test_the_processor_has_a_name() -> None:
    assert isinstance(results._processor(), str)
