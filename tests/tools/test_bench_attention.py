"""The bench's part about attention, tried with a few small layers: what it measures is not a test's matter."""

from __future__ import annotations

import pytest

from tools.bench.attention import MODELS, Layers, attention


def test_each_that_serves_is_held_against_plain_products_and_auto_against_the_best() -> None:
    rows = attention(2, "cpu", "fp32", 1, {"tiny": (Layers(3, 2, 64, 64, 40), Layers(3, 2, 64, 7, 40))})
    assert all(row.value and row.value > 0 for row in rows)
    *each, auto = [row.name for row in rows]
    assert "attention: tiny, sdpa / math" in each and "attention: tiny, split / math" in each
    assert auto == "attention: tiny, auto / the best single one" and rows[-1].bar == "at most 1.03"


@pytest.mark.parametrize(("model", "layers"), [("SD1.5 at 512 x 512", 32), ("SDXL at 1024 x 1024", 140)])
def test_the_layers_are_as_many_as_the_published_models_have(model: str, layers: int) -> None:
    assert sum(layer.count for layer in MODELS[model]) == layers
