"""The table of docs/models.md is what happens: its rows are all families', and its cells come out as they say."""

import pytest

from tests.engine import tiny_flow, tiny_parts, tiny_stock
from tests.engine.models_table import CHECKS, FORMS, ROWS, Cell, in_page, outcome, shown

# One cell of each form, of different families; all of them take minutes.
QUICK = {
    ("sd1", "folder"), ("sd1", "safetensors"), ("sd1", "ckpt"), ("sd2", "fp16"), ("sd3", "bf16"), ("sd1", "fp8"),
    ("z-image", "scaled"), ("flux-schnell", "gguf"), ("flux-dev", "parts"), ("auraflow", "folder"),
}  # fmt: skip
CELLS = [
    pytest.param(kind, form, marks=[] if (kind, form) in QUICK else pytest.mark.slow)
    for kind, row in ROWS.items()
    for form in FORMS
    if row.family != "stock" or form == "folder"
]


def test_every_family_has_its_rows_and_every_row_its_cells(registry):
    assert {row.family for row in ROWS.values()} == {family.name for family in registry.families}
    # These two are here as families of their own.
    stock = set(tiny_stock.KINDS) - {"z_image", "qwen_image"} | set(tiny_parts.KINDS)
    assert set(tiny_flow.KINDS) <= set(ROWS) and {kind for kind, row in ROWS.items() if not row.loop} == stock
    page = in_page()
    assert list(page) == list(ROWS)
    for kind, row in ROWS.items():
        *cells, way = page[kind]
        assert len(cells) == len(FORMS) and way == ("loop" if row.loop else "stock")
        # What runs as its stock pipeline is read from folders alone, which come first.
        assert row.family != "stock" or set(cells[1:]) == {"–"}


@pytest.mark.parametrize(("kind", "form"), CELLS)
def test_a_cell_of_the_page_is_what_happens(tmp_path, registry, kind, form):
    said = outcome(kind, form, tmp_path, registry)
    assert shown(said) == in_page()[kind][list(FORMS).index(form)], said


def test_a_check_that_does_not_hold_is_not_shown():
    assert shown({"load": None, "picture": ValueError(), "swap": None}) == "load, swap"
    assert shown(dict.fromkeys(CHECKS, ValueError())) == "–" and shown(dict.fromkeys(CHECKS)) == "yes"


@pytest.mark.parametrize("check", ["load", "picture"])
def test_other_numbers_in_the_file_are_noticed(tmp_path, registry, check):
    cell = Cell("sd1", "fp16", tmp_path, registry)
    (tmp_path / "Stable-diffusion" / "plain.safetensors").replace(tmp_path / "Stable-diffusion" / "old.safetensors")
    (tmp_path / "Stable-diffusion" / "other.safetensors").replace(tmp_path / "Stable-diffusion" / "plain.safetensors")
    with pytest.raises(AssertionError):
        getattr(cell, check)()
