"""Infotext: A1111's order and quoting, a round trip for every field it can carry, and a liberal reader."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webui.core import infotext
from webui.core.fields import ROWS
from webui.core.infotext import Parsed
from webui.core.language_fields import LANGUAGE_OPTIONS
from webui.core.precisions import CHOICES
from webui.core.request import GenerationRequest, join_names
from webui.core.sampler_fields import OPTIONS
from webui.core.speed_fields import SPEED_OPTIONS

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PIECES = st.sampled_from(
    [
        "Negative prompt:",
        "\nNegative prompt: ",
        "\nnegative PROMPT:x",
        "\n",
        "\r\n",
        "\r",
        "\u2028",
        "\x85",
        "\x1c",
        ", ",
        ": ",
        '"',
        "\\",
        "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1",
        "\nSteps: 1, a: b, c: d\n",
        "Template: x",
        "\nTemplate: y",
        "(red:1.2), (blue:1.3), (green:0.9)",
        "[a|b], [x:y:0.5]",
        "<lora:name:0.8>",
        "Exact prompt: ",
        "  ",
        "\t",
        "猫",
        "🐈‍⬛",
        "BREAK",
        "{",
        "[",
        "Size: 1x1",
    ]
)
PROMPTS = st.lists(st.one_of(PIECES, st.text(LETTERS, max_size=8)), max_size=8).map("".join)
NAMES = st.text(LETTERS, min_size=1, max_size=20).filter(
    lambda name: infotext.model_name(name) == name and name.strip().lower() not in infotext._EMPTY
)
FILES = NAMES.filter(lambda name: infotext.file_name(name) == name.strip() == name and not set(name) & set("\r\n"))
REQUESTS = st.builds(
    GenerationRequest,
    prompt=PROMPTS,
    negative_prompt=PROMPTS,
    sampler_name=NAMES,
    scheduler=NAMES,
    steps=st.integers(1, 150),
    cfg_scale=st.floats(1, 30),
    width=st.integers(8, 512).map(lambda n: 8 * n),
    height=st.integers(8, 512).map(lambda n: 8 * n),
    seed=st.integers(0, 2**32 - 1),
    subseed=st.integers(0, 2**32 - 1),
    subseed_strength=st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
    seed_resize_from_w=st.integers(0, 512).map(lambda n: 8 * n),
    seed_resize_from_h=st.integers(0, 512).map(lambda n: 8 * n),
    randn_source=st.sampled_from(["CPU", "GPU", "NV"]),
    eta_noise_seed_delta=st.sampled_from([0, 31337]),
    checkpoint=NAMES,
    checkpoint_hash=st.text("0123456789abcdef", min_size=64, max_size=64),
    vae=st.sampled_from(["Automatic", "None"]) | FILES.filter(lambda name: name not in ("Automatic", "None")),
    text_encoders=st.lists(FILES, max_size=3).map(join_names),
    distilled_cfg_scale=st.floats(0, 30),
    clip_skip=st.integers(1, 12),
    refiner_checkpoint=st.sampled_from(["None"]) | NAMES,
    refiner_switch_at=st.floats(0.01, 1),
    refiner_hash=st.sampled_from(["", "ab" * 32]),
    denoiser_precision=st.sampled_from(CHOICES),
    text_encoder_precision=st.sampled_from(CHOICES),
    vae_precision=st.sampled_from(CHOICES),
    abilities=st.sampled_from(
        [
            "cfg,refiner,noise",
            "noise",
            "cfg,distilled_cfg,refiner,precision",
            "cfg,clip_skip",
            "distilled_cfg,precision",
            "",
        ]
    ),
)


def carried() -> list[str]:
    """Names of the fields that infotext carries: those with a key, the prompts, and the size's two.

    Options of prompts, samplers and speed, which are said where they were changed, have tests of their own.
    """
    others = {*OPTIONS, *SPEED_OPTIONS, *LANGUAGE_OPTIONS}
    said = [row.name for row in ROWS if row.infotext and row.name not in others]
    return [*said, "prompt", "negative_prompt", "width", "height"]


def expect_noise(request_: GenerationRequest, index: int, expected: dict[str, Any]) -> None:
    """Put what is read of the request's noise into what is expected."""
    known = request_.knows("subseed")
    sides = ("seed_resize_from_w", "seed_resize_from_h")
    expected |= {name: getattr(request_, name) for name in sides} | {"subseed": request_.subseed_of(index)}
    unsaid = [] if known and all(expected[name] for name in sides) else [*sides]
    unsaid += [] if known and request_.subseed_strength else ["subseed", "subseed_strength"]
    unsaid += [] if known and request_.eta_noise_seed_delta else ["eta_noise_seed_delta"]
    for name in unsaid:
        del expected[name]


@settings(max_examples=400, deadline=None)
@given(REQUESTS, st.integers(0, 5), st.sampled_from(["", "darkroom 0.1.0", "v1, with: all"]))
@example(GenerationRequest(prompt="a\nNegative prompt: b", negative_prompt="Negative prompt: c", seed=1), 0, "v")
@example(GenerationRequest(prompt=" a ", negative_prompt="\n", seed=1), 0, "")
def test_every_field_that_infotext_carries_comes_back(request_: GenerationRequest, index: int, version: str) -> None:
    parsed = infotext.parse(infotext.write(request_, index, version, {"Hires prompt": request_.prompt}))
    expected = {name: getattr(request_, name) for name in carried()} | {"seed": request_.seed_of(index)}
    if request_.refiner_hash:
        expected["refiner_checkpoint"] += f" [{request_.refiner_hash[:10]}]"
    for name in ("cfg_scale", "distilled_cfg_scale", "refiner_checkpoint", "refiner_switch_at"):
        if not request_.knows(name) or (name.startswith("refiner") and request_.refiner_checkpoint == "None"):
            del expected[name]
    expect_noise(request_, index, expected)
    if request_.clip_skip == 1 or not request_.knows("clip_skip"):
        del expected["clip_skip"]
    for name in ("denoiser_precision", "text_encoder_precision", "vae_precision"):
        if expected[name] == "Automatic" or not request_.knows(name):
            del expected[name]
    if request_.vae in ("Automatic", "None"):
        del expected["vae"]
    if request_.text_encoders:
        expected["text_encoders"] = request_.text_encoders
    if not request_.checkpoint:
        del expected["checkpoint"]
    if request_.checkpoint_hash:
        expected["checkpoint_hash"] = request_.checkpoint_hash[:10]
    assert parsed.values == expected
    assert parsed.found
    assert parsed.unknown.get("Version", "") == version
    assert parsed.unknown.get("Hires prompt", "") == request_.prompt


def test_the_text_is_a1111s() -> None:
    request_ = GenerationRequest(
        prompt="a cat,\nsitting",
        negative_prompt="dog",
        sampler_name="DPM++ 2M",
        scheduler="Karras",
        steps=28,
        cfg_scale=6.5,
        width=512,
        height=768,
        seed=4,
        checkpoint="some, model.safetensors [0a1b2c3d4e]",
        checkpoint_hash="0a1b2c3d4e" + "0" * 54,
    )
    extras = {"Lora hashes": "a: 1, b: 2", "Clip skip": 2, "ENSD": None, "Note": ""}
    assert infotext.write(request_, 1, "darkroom 1", extras) == (
        "a cat,\nsitting\nNegative prompt: dog\n"
        "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 5, Size: 512x768, "
        'Model hash: 0a1b2c3d4e, Model: "some, model", Clip skip: 2, RNG: CPU, Lora hashes: "a: 1, b: 2", '
        "Version: darkroom 1"
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("float8-e4m3fn", "fp8"),
        ("float8-e4m3fn (fp16 LoRA)", "fp8"),
        ("float8-e5m2", "fp8"),
        ("fp8e4m3", "fp8"),
        ("float16 (fp16 LoRA)", "fp16"),
        ("Automatic (fp16 LoRA)", "Automatic"),
        ("FP8", "fp8"),
        ("bf16", "bf16"),
        ("bnb-nf4 (fp16 LoRA)", None),
        ("int8", None),
        ("None", None),
    ],
)
def test_forges_words_for_the_denoisers_precision_are_read(said: str, meant: str | None) -> None:
    parsed = infotext.parse(f"a\nSteps: 2, Sampler: Euler, Diffusion in Low Bits: {said}")
    assert parsed.values.get("denoiser_precision") == meant
    assert parsed.unknown == ({} if meant else {"Diffusion in Low Bits": said})


def test_fp8_of_the_denoiser_is_written_as_forge_reads_it() -> None:
    kept = GenerationRequest(prompt="a", abilities="cfg,precision", denoiser_precision="fp8", vae_precision="fp8")
    assert "Diffusion in Low Bits: float8-e4m3fn, VAE precision: fp8" in infotext.write(kept)
    assert "precision" not in infotext.write(kept.but(vae_precision="Automatic", abilities="cfg"))


def test_the_negative_line_is_left_out_when_empty_and_whole_numbers_are_plain() -> None:
    text = infotext.write(GenerationRequest(prompt="x", cfg_scale=7.0, seed=1))
    assert text.startswith("x\nSteps: ") and "CFG scale: 7," in text


def test_a_prompt_that_the_plain_form_cannot_carry_is_written_beside_it() -> None:
    request_ = GenerationRequest(prompt="a\nNegative prompt: b", negative_prompt="c", seed=1)
    text = infotext.write(request_, version="v")
    assert text.startswith("a\nNegative prompt: b\nNegative prompt: c\nSteps: ")
    assert ', Exact prompt: "a\\nNegative prompt: b", ' in text and text.endswith("Version: v")
    assert "Exact" not in infotext.write(replace(request_, prompt="a, (b:1.2) \\(c\\)"))


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("name.safetensors [abcdef0123]", "name"),
        ("sub/name.ckpt", "sub/name"),
        ("darkroom-starter [abcdef0123]", "darkroom-starter"),
        ("v1.5", "v1.5"),
        ("name [not a hash]", "name [not a hash]"),
    ],
)
def test_the_bare_name_of_a_title(title: str, name: str) -> None:
    assert infotext.model_name(title) == name


A1111 = """masterpiece, (a castle:1.2), [fog|mist], <lora:detail:0.6>
second line
Negative prompt: lowres, (bad: 1.1)
text
Steps: 25, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 2873465, Size: 512x768, Model hash: 6ce0161689, \
Model: v1-5-pruned-emaonly, Denoising strength: 0.5, Clip skip: 2, ENSD: 31337, Hires upscale: 2, \
Hires upscaler: Latent, Lora hashes: "detail: 7c6bad76eb54, other: 000000000000", \
ControlNet 0: "Module: canny, Model: control_canny [1234], Weight: 1", Version: v1.6.0"""
FORGE = """flower
Steps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 5, \
Size: 896x1152, Model hash: bea01d51bd, Model: flux1-dev, Version: f2.0.1v1.10.1-1.10.1, Module 1: ae"""
CIVITAI = (
    "cat\nNegative prompt: dog\nSteps: 30, CFG scale: 7, Sampler: Undefined, Seed: 1, Size: 832x1216, "
    'Clip skip: 0, Created Date: 2024-11-09T16:04:41.6937250Z, Model: None, Civitai resources: [{"type":"checkpoint",'
    '"modelVersionId":128713,"modelName":"Dream, Shaper"},{"weight":0.8}], Civitai metadata: {"a":"b, c"}'
)
TEMPLATE = "cat\nSteps: 30, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x512\nTemplate: {cat|dog}"
ONE_LINE = "a cat, sitting Negative prompt: dog, rain Steps: 30, Sampler: Euler a, CFG scale: 7.5, Seed: 1, Size: 64x64"
SPELT = "cat\nsteps: 12, sampling method: Heun, Scheduler: karras, guidance scale: 4, seed: 3, resolution: 64 × 128"
READ: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "a1111": (
        A1111,
        {
            "prompt": "masterpiece, (a castle:1.2), [fog|mist], <lora:detail:0.6>\nsecond line",
            "negative_prompt": "lowres, (bad: 1.1)\ntext",
            "steps": 25,
            "sampler_name": "DPM++ 2M Karras",
            "cfg_scale": 7.0,
            "seed": 2873465,
            "width": 512,
            "height": 768,
            "checkpoint_hash": "6ce0161689",
            "checkpoint": "v1-5-pruned-emaonly",
            "clip_skip": 2,
            "eta_noise_seed_delta": 31337,
        },
        {
            "Lora hashes": "detail: 7c6bad76eb54, other: 000000000000",
            "ControlNet 0": "Module: canny, Model: control_canny [1234], Weight: 1",
            "Version": "v1.6.0",
        },
    ),
    "forge": (
        FORGE,
        {"prompt": "flower", "negative_prompt": "", "scheduler": "Simple", "checkpoint": "flux1-dev", "cfg_scale": 1.0},
        {},
    ),
    "civitai": (
        CIVITAI,
        {"steps": 30, "width": 832, "height": 1216, "negative_prompt": "dog", "clip_skip": 1},
        {
            "Sampler": "Undefined",
            "Model": "None",
            "Created Date": "2024-11-09T16:04:41.6937250Z",
            "Civitai metadata": '{"a":"b, c"}',
        },
    ),
    "template": (TEMPLATE, {"prompt": "cat", "steps": 30, "height": 512}, {}),
    "one line": (
        ONE_LINE,
        {"prompt": "a cat, sitting", "negative_prompt": "dog, rain", "sampler_name": "Euler a", "cfg_scale": 7.5},
        {},
    ),
    "other spellings": (
        SPELT,
        {
            "steps": 12,
            "sampler_name": "Heun",
            "scheduler": "karras",
            "cfg_scale": 4.0,
            "seed": 3,
            "width": 64,
            "height": 128,
        },
        {},
    ),
    "windows lines": ("cat\r\nNegative prompt: dog\r\nSteps: 3, Seed: 1, Size: 64x64", {"negative_prompt": "dog"}, {}),
    "out of range": (
        "x\nSteps: 9999, CFG scale: nan, Seed: 99999999999999, Size: 513x64, Model hash: zz",
        {"prompt": "x", "negative_prompt": ""},
        {"Steps": "9999", "CFG scale": "nan", "Seed": "99999999999999", "Size": "513x64", "Model hash": "zz"},
    ),
    "commas at the end": ("x\nSteps: 3, Seed: 1, Size: 64x64, , ,", {"steps": 3, "seed": 1, "width": 64}, {}),
    "an unclosed quote": ('x\nSteps: 3, Seed: 1, Model: "a, Size: 64x64', {"steps": 3, "checkpoint": '"a'}, {}),
}


@pytest.mark.parametrize("name", READ)
def test_what_others_write_is_read(name: str) -> None:
    text, values, unknown = READ[name]
    parsed = infotext.parse(text)
    assert parsed.found
    assert parsed.values | values == parsed.values
    assert parsed.unknown | unknown == parsed.unknown


def test_a_persons_eye_gets_every_pair_in_the_lines_order_but_not_the_exact_prompts() -> None:
    request_ = GenerationRequest(prompt="a\nNegative prompt: b", seed=1, steps=28)
    read = infotext.parse(infotext.write(request_, version="v1"))
    labels = [label for label, _ in read.pairs]
    assert labels[:3] == ["Steps", "Sampler", "Schedule type"] and labels[-1] == "Version"
    assert infotext.EXACT_PROMPT not in labels and read.prompt == request_.prompt
    assert dict(infotext.parse("a\nguidance scale: 5, Odd: x, Steps: nine").pairs) == {
        "CFG scale": "5",
        "Odd": "x",
        "Steps": "nine",
    }


def test_what_is_out_of_range_sets_nothing() -> None:
    assert set(infotext.parse(READ["out of range"][0]).values) == {"prompt", "negative_prompt"}


@pytest.mark.parametrize(
    "text", ["", "a cat", "a cat\na: b, c: d", "(red hat:1.2), (blue:1.1), (green car:1.3)", "x: 1\n\ny: 2"]
)
def test_a_text_without_parameters_is_a_prompt(text: str) -> None:
    assert infotext.parse(text) == Parsed({"prompt": text})


def test_a_negative_line_counts_without_parameters() -> None:
    parsed = infotext.parse("cat\nNegative prompt: dog")
    assert (parsed.prompt, parsed.negative_prompt, parsed.found) == ("cat", "dog", False)


@settings(max_examples=300, deadline=None)
@given(st.one_of(PROMPTS, st.text(max_size=400)))
def test_the_reader_never_fails(text: str) -> None:
    parsed = infotext.parse(text)
    assert isinstance(parsed.prompt, str)


@pytest.mark.parametrize(
    "piece", ["a", "a ", "a: ", "a: b, ", 'a: "', "a: [", "\n", "Steps: 1, ", "Negative prompt:", "[{"]
)
def test_a_huge_text_is_read_in_a_moment(piece: str) -> None:
    start = time.monotonic()
    infotext.parse(piece * (400_000 // len(piece)))
    assert time.monotonic() - start < 5


def test_what_the_model_does_not_know_is_not_written() -> None:
    flux = GenerationRequest(prompt="a", abilities="cfg,distilled_cfg", cfg_scale=1.0)
    assert "CFG scale: 1, Distilled CFG Scale: 3.5, Seed" in infotext.write(flux)
    assert "CFG" not in infotext.write(flux.but(abilities=""))
    assert "Distilled" not in infotext.write(GenerationRequest(prompt="a"))


def test_a_vae_is_named_as_a1111_names_it_and_text_encoders_as_forge_does() -> None:
    request_ = GenerationRequest(
        vae="sub/ae, new.safetensors", vae_hash="ab" * 32, text_encoders="t/clip_l.safetensors, t5.gguf"
    )
    text = infotext.write(request_)
    assert 'VAE hash: ababababab, VAE: "ae, new.safetensors", RNG: CPU, Module 1: clip_l, Module 2: t5' in text
    values = infotext.parse(text).values
    assert values["vae"] == "ae, new.safetensors" and values["vae_hash"] == "ab" * 5
    assert values["text_encoders"] == "clip_l, t5"


def test_forges_modules_and_a_vae_of_none_are_read() -> None:
    text = "x\nSteps: 20, Sampler: Euler, Distilled CFG Scale: 2.5, VAE: None, Module 1: ae, Module 2: clip_l, Seed: 1"
    parsed = infotext.parse(text)
    assert parsed.values["text_encoders"] == "ae, clip_l" and parsed.values["vae"] == "None"
    assert parsed.values["distilled_cfg_scale"] == 2.5 and not parsed.unknown
