"""The page of samplers is what its command writes, and what it measures is as the papers say."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
import torch

from tools.samplers_measure import Measured, denoise, measure, plot
from tools.samplers_page import BEGIN, END, PAGE, section
from webui.core.registry import Table
from webui.plugins.builtin.samplers import samplers

# Those of diffusers that need torchsde draw noise, which is not measured.
ROWS = Table("sampler", [row for row in samplers() if row.package != "torchsde"])


@pytest.mark.parametrize("name, order", [("Euler", 1), ("Heun", 2), ("DPM++ 2M", 2), ("LMS", 2.5)])
def test_the_order_is_measured(name: str, order: float) -> None:
    [measured] = measure([ROWS.get(name)])
    assert order - 0.3 < measured.order < order + 1.0


def test_samplers_that_draw_noise_are_left_out() -> None:
    assert measure([ROWS.get("Euler a"), ROWS.get("DPM++ 2M SDE")]) == []


def test_the_plot_is_a_picture_with_a_line_for_each() -> None:
    lines = [Measured(name, (0.1, 0.03, 0.01, 1e-3, 1e-9), (10, 20, 40, 80, 160)) for name in ("A & B", "C")]
    root = ElementTree.fromstring(plot(lines))
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2
    assert lines[0].order == pytest.approx(math.log2(10.0))


def test_every_sampler_without_noise_is_on_the_page_with_what_is_measured_now() -> None:
    measured = PAGE.read_text("utf-8").split(BEGIN)[1].split(END)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in measured.splitlines() if line[:2] == "| "
    ]
    said, found = cells[1:], measure(list(ROWS), (40,))
    assert [name for name, *_ in said] == [row.name for row in found]
    for (name, _, error, calls), row in zip(said, found, strict=True):
        assert float(error) == pytest.approx(row.errors[0], rel=0.1), name
        assert int(calls) == row.calls[0], name
    assert section([]).splitlines()[1] in measured


def test_the_denoiser_is_the_mean_of_what_may_lie_behind() -> None:
    generator = torch.Generator().manual_seed(1)
    means, spreads = torch.tensor([1.5, -1.0, 0.2]), torch.tensor([0.4, 0.3, 0.6])
    chosen = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 2_000_000, replacement=True, generator=generator)
    clean = means[chosen] + spreads[chosen] * torch.randn(len(chosen), generator=generator)
    noisy = clean + 0.8 * torch.randn(len(chosen), generator=generator)
    near = (noisy - 0.5).abs() < 0.02
    assert clean[near].mean().item() == pytest.approx(denoise(torch.tensor(0.5), 0.8).item(), abs=0.02)
