"""Fields: every limit is enforced with a sentence that names the field, and the docs' table is made from the rows."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.fields_page import PAGE, fields_page
from webui.core.errors import MOST_UNKNOWN, InvalidField, InvalidRequest
from webui.core.fields import FIELDS, MAX_PIXELS, ROWS, Field, check_values

NUMBERS = [row for row in ROWS if row.kind in ("int", "float")]
ids = [row.name for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_a_row_is_complete(row: Field) -> None:
    assert row.label and row.help.endswith(".")
    assert row.check(row.default) == row.default
    assert row.kind != "choice" or bool(row.catalogue) != bool(row.choices)
    if row.slider:
        assert row.minimum is not None and row.maximum is not None
        assert row.minimum <= row.slider[0] < row.slider[1] <= row.maximum


def test_a_choice_among_words_is_taken_without_case_and_refused_with_the_list() -> None:
    row = FIELDS["vae_precision"]
    assert row.check(" BF16 ") == "bf16" and row.check("automatic") == "Automatic"
    with pytest.raises(InvalidField, match="one of Automatic, fp32, fp16, bf16, fp8, not 'int8'") as refused:
        row.check("int8")
    assert refused.value.field == "vae_precision"
    with pytest.raises(InvalidField, match="must be text"):
        row.check(8)


@pytest.mark.parametrize("attribute", ["name", "label", "infotext", "elem_id"])
def test_names_are_given_once(attribute: str) -> None:
    given_names = [value for row in ROWS if (value := getattr(row, attribute))]
    assert len(set(given_names)) == len(given_names)
    flags = [flag for row in ROWS for flag in row.spellings]
    assert len(set(flags)) == len(flags)


@pytest.mark.parametrize("row", NUMBERS, ids=[row.name for row in NUMBERS])
def test_limits_are_inclusive_and_named(row: Field) -> None:
    assert row.minimum is not None and row.maximum is not None
    assert row.check(row.minimum) == row.minimum and row.check(row.maximum) == row.maximum
    beyond = row.multiple or 1
    for value in (row.minimum - beyond, row.maximum + beyond, 10**400, -(10**400)):
        with pytest.raises(InvalidField, match="must be") as caught:
            row.check(value)
        assert caught.value.field == row.name and row.label in caught.value.detail


@pytest.mark.parametrize("row", NUMBERS, ids=[row.name for row in NUMBERS])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "7", None, [7], {}, "e" * 10**5])
def test_what_is_no_number_is_refused(row: Field, value: Any) -> None:
    with pytest.raises(InvalidField, match="must be a"):
        row.check(value)


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind not in ("int", "float", "names")])
@pytest.mark.parametrize("value", [7, None, ["x"], b"x"])
def test_what_is_no_text_or_switch_is_refused(row: Field, value: Any) -> None:
    with pytest.raises(InvalidField, match="must be"):
        row.check(value)


def test_names_are_a_list_or_a_text_with_commas_between_them() -> None:
    row = FIELDS["styles"]
    assert row.check(["a, b", "c"]) == ("a, b", "c")
    assert row.check('"a, b", c') == ("a, b", "c")
    assert row.check("") == row.check([]) == ()
    for wrong in (7, None, {"a": 1}, [7], ["x" * 201], ["x"] * 101):
        with pytest.raises(InvalidField):
            row.check(wrong)


def test_types_are_made_exact() -> None:
    assert type(FIELDS["steps"].check(20.0)) is int
    assert type(FIELDS["cfg_scale"].check(7)) is float
    with pytest.raises(InvalidField, match="whole number"):
        FIELDS["steps"].check(20.5)


def test_sizes_name_the_nearest_that_would_do() -> None:
    with pytest.raises(InvalidField, match=r"nearest: 512, 520") as caught:
        FIELDS["width"].check(513)
    assert caught.value.remedies == ("Use 512", "Use 520")


def test_long_prompts_and_half_characters_are_refused() -> None:
    with pytest.raises(InvalidField, match="100,000 characters long; at most 20,000"):
        FIELDS["prompt"].check("x" * 100_000)
    with pytest.raises(InvalidField, match="surrogate"):
        FIELDS["prompt"].check("a\ud83d")
    assert FIELDS["prompt"].check("a\0b 🐈") == "ab 🐈"


@given(st.text(max_size=50).filter(lambda name: name not in FIELDS))
def test_unknown_fields_are_refused(name: str) -> None:
    with pytest.raises(InvalidField, match="There is no field"):
        check_values({name: 1})


@pytest.mark.parametrize(("given_side", "missing"), [("w", "h"), ("h", "w")])
def test_noise_of_another_size_needs_both_sides(given_side: str, missing: str) -> None:
    with pytest.raises(InvalidField, match="is 0 while Resize seed from") as caught:
        check_values({f"seed_resize_from_{given_side}": 512})
    assert caught.value.field == f"seed_resize_from_{missing}"
    assert check_values({"seed_resize_from_w": 512, "seed_resize_from_h": 8})["seed_resize_from_h"] == 8


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"eta": 5}, "eta", "Eta is 5; it must be between 0 and 1"),
        (
            {"sigma_min": 15, "sigma_max": 0.03},
            "sigma_min",
            "is 15; it must be above 0 and below sigma max, which is 0.03",
        ),
        ({"sigma_min": 1, "sigma_max": 1}, "sigma_min", "below sigma max"),
        ({"rho": 0.001}, "rho", "is 0.001; it must be 0, which takes the schedule's own, or at least 0.1"),
        ({"uni_pc_variant": "bh3"}, "uni_pc_variant", "must be one of bh1, bh2, vary_coeff, not 'bh3'"),
        ({"uni_pc_order": 2.5}, "uni_pc_order", "must be a whole number"),
        ({"sgm_noise_multiplier": "yes"}, "sgm_noise_multiplier", "must be true or false"),
        ({"s_churm": 1}, "s_churm", "Did you mean 's_churn'"),
    ],
)
def test_options_that_no_sampler_could_take_are_refused(values: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidField) as refused:
        check_values(values)
    assert refused.value.field == field and words in refused.value.detail


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_values({"stps": 3, "steps": 0, "width": 513, "prompt": 5, "batch_size": 2, "cfg_scale": 8.0})
    assert [error.field for error in caught.value.errors] == ["stps", "prompt", "steps", "width"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("abc", "'abc'"),
        ("x" * 50, "a long text"),
        (None, "null"),
        (True, "true"),
        ([1], "a list"),
        ({}, "an object"),
        (math.nan, "NaN"),
        (-math.inf, "one so large"),
    ],
)
def test_what_is_no_number_is_shown(value: Any, said: str) -> None:
    with pytest.raises(InvalidField, match=f"^Sampling steps must be a number, not {said}\\.$"):
        FIELDS["steps"].check(value)


def test_the_nearest_bound_is_offered() -> None:
    for value, way in ((0, "Use 1"), (10_000, "Use 150")):
        with pytest.raises(InvalidField) as caught:
            FIELDS["steps"].check(value)
        assert caught.value.remedies == (way,)


def test_of_thousands_of_unknown_names_a_few_are_told_and_what_is_known_is_still_checked() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_values({**{f"stepps{number}": 1 for number in range(5000)}, "steps": 0})
    told = [fault.field for fault in refused.value.problem().errors]
    assert told == [*(f"stepps{number}" for number in range(MOST_UNKNOWN)), "steps"]


def test_a_misspelt_field_is_suggested() -> None:
    with pytest.raises(InvalidField, match="Did you mean 'sampler_name'"):
        check_values({"sampler_nam": "Euler"})


def test_missing_fields_take_their_defaults() -> None:
    assert check_values({}) == {row.name: row.default for row in ROWS}


@pytest.mark.parametrize(("values", "field"), [({"batch_size": 16}, "batch_size"), ({}, None)])
def test_the_pixels_of_a_batch_are_bounded(values: dict[str, Any], field: str | None) -> None:
    size = {"width": 4096, "height": 4096, **values}
    assert MAX_PIXELS == 4096 * 4096
    if field is None:
        assert check_values(size)["width"] == 4096
        return
    with pytest.raises(InvalidField, match="million pixels") as caught:
        check_values(size)
    assert caught.value.field == field


def test_the_docs_table_is_made_from_the_rows() -> None:
    assert PAGE.read_text(encoding="utf-8") == fields_page(), "run: python -m tools.fields_page"
    assert all(f"`{row.name}`" in fields_page() for row in ROWS)
