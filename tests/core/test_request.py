"""A request: frozen, complete, and equal to itself after every form that it travels in."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.errors import InvalidField
from webui.core.fields import FIELDS, MAX_SEED, ROWS, Field
from webui.core.groups import GROUPS
from webui.core.request import HASHES, RESOLVED, SCHEMA, GenerationRequest, field_names, join_names, split_names
from webui.core.sampler_fields import LEAST_RHO, OPTIONS


def values_of(row: Field) -> st.SearchStrategy[Any]:
    """Everything that the row accepts, as it keeps it."""
    if row.choices:
        return st.sampled_from(row.choices)
    if row.kind in ("text", "choice"):
        return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
    if row.kind == "names":
        return st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)).map(
            tuple
        )
    if row.kind == "bool":
        return st.booleans()
    assert row.minimum is not None and row.maximum is not None
    if row.kind == "float":
        return st.floats(row.minimum, row.maximum)
    multiple = row.multiple or 1
    # Sizes stay small, so that the bound on a batch's pixels is not what is tested here.
    maximum = min(row.maximum, 1024) if row.multiple else row.maximum
    return st.integers(int(row.minimum) // multiple, int(maximum) // multiple).map(lambda n: n * multiple)


REQUESTS = (
    st.fixed_dictionaries({row.name: values_of(row) for row in ROWS})
    .map(lambda values: values | ({} if values["seed_resize_from_w"] else {"seed_resize_from_h": 0}))
    .map(lambda values: values | ({} if values["sigma_min"] < values["sigma_max"] else {"sigma_max": 0.0}))
    .map(lambda values: values | ({} if values["rho"] >= LEAST_RHO else {"rho": 0.0}))
    .filter(lambda values: not values["seed_resize_from_w"] or values["seed_resize_from_h"])
    .map(GenerationRequest.from_values)
)


@given(REQUESTS, st.text("0123456789abcdef", max_size=64))
def test_json_and_pickle_give_the_same_request(request_: GenerationRequest, digest: str) -> None:
    request_ = request_.but(checkpoint_hash=digest)
    assert GenerationRequest.from_json(json.loads(request_.dumps())) == request_
    assert GenerationRequest.from_json(request_.to_json()) == request_
    assert pickle.loads(pickle.dumps(request_)) == request_


@given(REQUESTS)
def test_its_text_does_not_depend_on_how_it_was_made(request_: GenerationRequest) -> None:
    values = {row.name: getattr(request_, row.name) for row in reversed(ROWS)}
    assert GenerationRequest.from_values(values).dumps() == request_.dumps()


def test_every_row_is_a_field_and_every_field_a_row_or_resolved() -> None:
    assert set(field_names()) == set(FIELDS) | set(RESOLVED) | set(GROUPS) | {
        "extensions",
        "drawn",
        "hires_drawn",
        *HASHES,
    }
    assert all(getattr(GenerationRequest(), row.name) == row.default for row in ROWS)


def test_a_request_of_an_older_version_reads() -> None:
    old = GenerationRequest(prompt="a").to_json()
    noise = ("subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h", "randn_source")
    for name in (
        "vae",
        "text_encoders",
        "distilled_cfg_scale",
        "vae_hash",
        "text_encoders_hash",
        "abilities",
        "extensions",
        *noise,
        *OPTIONS,
    ):
        del old[name]
    assert GenerationRequest.from_json(old) == GenerationRequest(prompt="a")
    assert GenerationRequest().knows("cfg_scale") and not GenerationRequest().knows("distilled_cfg_scale")


@given(st.lists(st.text(st.characters(exclude_characters="\r\n\0"), min_size=1).filter(lambda n: n == n.strip())))
def test_names_of_files_come_back_from_one_text(names: list[str]) -> None:
    assert split_names(join_names(names)) == names


def test_names_are_read_as_a_person_writes_them() -> None:
    assert split_names(' a.safetensors ,b,, "c, d.gguf" ') == ["a.safetensors", "b", "c, d.gguf"]
    assert join_names(["a", "b, c"]) == 'a, "b, c"' and split_names("") == []


def test_a_change_of_what_no_field_is_is_refused_with_a_sentence() -> None:
    with pytest.raises(InvalidField, match=r"A request has no field 'stepz'\. Did you mean 'steps'\?"):
        GenerationRequest().but(stepz=5)


def test_it_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GenerationRequest().steps = 3  # type: ignore[misc]


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, -1, "2", "1", None, 1.0, [1], 10**30])
def test_another_schema_is_refused_with_a_sentence(schema: Any) -> None:
    with pytest.raises(InvalidField, match=f"reads up to {SCHEMA}"):
        GenerationRequest.from_json({"schema": schema, "prompt": "x"})


def test_json_without_a_schema_is_the_present_one() -> None:
    assert GenerationRequest.from_json({"prompt": "x"}).prompt == "x"


@pytest.mark.parametrize("data", [None, 3, "x", [], [["prompt", "x"]]])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(InvalidField, match="JSON object"):
        GenerationRequest.from_json(data)


@pytest.mark.parametrize(
    "data", [{"checkpoint_hash": 3}, {"checkpoint_hash": "x" * 101}, {"steps": 0}, {"stepps": 3}, {"prompt": None}]
)
def test_wrong_values_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidField):
        GenerationRequest.from_json(data)


def test_seeds_count_up_within_32_bits() -> None:
    request_ = GenerationRequest(seed=MAX_SEED, n_iter=2, batch_size=3)
    assert request_.pictures == 6
    assert [request_.seed_of(i) for i in range(3)] == [MAX_SEED, 0, 1]


def test_variations_share_the_seed_and_count_up_the_other() -> None:
    request_ = GenerationRequest(seed=5, subseed=MAX_SEED, subseed_strength=0.1, batch_size=3)
    assert [request_.seed_of(i) for i in range(3)] == [5, 5, 5]
    assert [request_.subseed_of(i) for i in range(3)] == [MAX_SEED, 0, 1]
