"""Hires. fix as part of a request: its forms, its sizes, its steps, and what an infotext says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core import infotext
from webui.core.errors import InvalidField
from webui.core.hires_fields import HIRES_ROWS, HiresFix
from webui.core.request import GenerationRequest

read = GenerationRequest.from_values


def test_flat_fields_and_an_object_are_the_same_request():
    flat = read({"prompt": "a", "enable_hr": True, "hr_scale": 1.5, "hr_upscaler": None})
    assert flat == read({"prompt": "a", "hires": {"hr_scale": 1.5}})
    assert flat.hires == HiresFix(hr_scale=1.5)
    assert GenerationRequest.from_json(flat.to_json()) == flat


@pytest.mark.parametrize("off", [{}, {"enable_hr": False}, {"enable_hr": None}, {"hires": None}])
def test_off_nothing_of_it_is_looked_at(off):
    assert read({"hr_scale": "bogus", "hr_upscaler": 7, "denoising_strength": [], **off}).hires is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"hires": {"hr_scal": 2}}, "hires.hr_scal"),
        ({"hires": {"hr_scale": 9}}, "hr_scale"),
        ({"hires": []}, "hires"),
        ({"enable_hr": "yes"}, "enable_hr"),
        ({"enable_hr": False, "hires": {}}, "enable_hr"),
        ({"width": 4096, "height": 4096, "hires": {}}, "hr_scale"),
        ({"width": 64, "height": 1024, "hires": {"hr_resize_y": 512}}, "hr_resize_y"),
    ],
)
def test_what_is_wrong_names_its_field(values, field):
    with pytest.raises(InvalidField) as caught:
        read(values)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("fields", "first", "size", "covering"),
    [
        ({}, (512, 512), (1024, 1024), (1024, 1024)),
        ({"hr_scale": 1.1}, (640, 512), (704, 560), (704, 560)),
        ({"hr_resize_x": 1024}, (512, 768), (1024, 1536), (1024, 1536)),
        ({"hr_resize_y": 1024}, (512, 768), (680, 1024), (680, 1024)),
        ({"hr_resize_x": 1024, "hr_resize_y": 1024}, (512, 768), (1024, 1024), (1024, 1536)),
        ({"hr_resize_x": 1024, "hr_resize_y": 1024}, (768, 512), (1024, 1024), (1536, 1024)),
    ],
)
def test_sizes(fields, first, size, covering):
    target = HiresFix(**fields).target(*first)
    assert (target.width, target.height) == size
    assert (target.covering_width, target.covering_height) == covering


@pytest.mark.parametrize(
    ("strength", "steps", "laid", "calls"),
    [(0.0, 0, 20, 1), (0.7, 0, 28, 20), (1.0, 0, 20, 20), (0.5, 10, 20, 10), (0.05, 10, 200, 10), (0.01, 20, 1000, 20)],
)
def test_steps_follow_a1111s_rule(strength, steps, laid, calls):
    hires = HiresFix(denoising_strength=strength, hr_second_pass_steps=steps)
    assert (hires.laid(20), hires.calls(20)) == (laid, calls)


_SIDES = st.sampled_from([0, 512, 768, 1024])
_TEXTS = st.sampled_from(["", "a cat", 'b, "c": d', "two\nlines"])


@given(
    st.fixed_dictionaries(
        {
            "hr_upscaler": st.sampled_from(["Latent", "Latent (nearest-exact)", "None", "Lanczos"]),
            "hr_second_pass_steps": st.integers(0, 150),
            "denoising_strength": st.integers(0, 100).map(lambda n: n / 100),
            "hr_resize_x": _SIDES,
            "hr_resize_y": _SIDES,
            "hr_sampler_name": st.sampled_from(["Use same sampler", "Euler a"]),
            "hr_scheduler": st.sampled_from(["Use same scheduler", "Karras"]),
            "hr_prompt": _TEXTS,
            "hr_negative_prompt": _TEXTS,
            "hr_cfg": st.integers(0, 300).map(lambda n: n / 10),
        }
    ),
    st.integers(20, 80).map(lambda n: n / 20),
)
def test_an_infotext_carries_it(fields, scale):
    by_size = fields["hr_resize_x"] or fields["hr_resize_y"]
    request = read({"prompt": "a", "seed": 1, "hires": fields | ({} if by_size else {"hr_scale": scale})})
    parsed = infotext.parse(infotext.write(request))
    assert not any("Hires" in key or "Denoising" in key for key in parsed.unknown)
    names = {"enable_hr", *(row.name for row in HIRES_ROWS)}
    assert read({name: value for name, value in parsed.values.items() if name in names}).hires == request.hires
    assert "Size: 512x512" in infotext.write(request)


def test_a_strength_alone_is_no_second_pass():
    parsed = infotext.parse("a\nSteps: 5, Sampler: Euler, Seed: 1, Denoising strength: 0.5")
    assert "enable_hr" not in parsed.values
    assert parsed.unknown["Denoising strength"] == "0.5"
