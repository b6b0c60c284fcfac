"""What an infotext says of samplers' and schedules' options: A1111's keys, and only what was changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core import infotext
from webui.core.field import Field
from webui.core.request import GenerationRequest
from webui.core.sampler_fields import OPTIONS, SAMPLER_ROWS


def values_of(row: Field) -> st.SearchStrategy[Any]:
    """Everything that the option can be."""
    if row.kind == "bool":
        return st.booleans()
    if row.choices:
        return st.sampled_from(row.choices)
    assert row.minimum is not None and row.maximum is not None
    return st.integers(int(row.minimum), int(row.maximum)) if row.kind == "int" else st.floats(row.minimum, row.maximum)


@given(st.fixed_dictionaries({row.name: st.just(row.default) | values_of(row) for row in SAMPLER_ROWS}))
def test_what_was_changed_comes_back_and_nothing_else_is_said(values: dict[str, Any]) -> None:
    request_ = GenerationRequest(seed=1, abilities="cfg,noise", **values)
    read = infotext.parse(infotext.write(request_))
    assert {name: value for name, value in read.values.items() if name in OPTIONS} == {
        name: value for name, value in values.items() if value != OPTIONS[name].default
    }
    assert not read.unknown
    assert not OPTIONS.keys() & infotext.parse(infotext.write(request_.but(abilities="cfg"))).values.keys()


@pytest.mark.parametrize("said", ["True", "true", "False"])
def test_truth_is_read_as_a1111_writes_it(said: str) -> None:
    read = infotext.parse(f"x\nSteps: 4, Seed: 1, Discard penultimate sigma: {said}, UniPC lower order final: {said}")
    truth = said != "False"
    assert read.values["always_discard_next_to_last_sigma"] is read.values["uni_pc_lower_order_final"] is truth


def test_what_no_option_takes_is_left_as_it_stands() -> None:
    read = infotext.parse(
        "x\nSteps: 4, Seed: 1, Eta: 7, SGM noise multiplier: yes, UniPC variant: bh9, Sigma tmax: inf"
    )
    assert read.unknown == {"Eta": "7", "SGM noise multiplier": "yes", "UniPC variant": "bh9", "Sigma tmax": "inf"}
