"""The fields of a request, one row each: the page, validation, flags, API schema and docs are made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from webui.core.errors import MOST_UNKNOWN, Faults, InvalidField, nearest
from webui.core.field import Field, Kind
from webui.core.language_fields import LANGUAGE_ROWS
from webui.core.noise_fields import MAX_SEED, NOISE_ROWS
from webui.core.precisions import AUTOMATIC, CHOICES, FORGE_KEY
from webui.core.prompt_fields import PROMPT_ROWS
from webui.core.sampler_fields import SAMPLER_ROWS, check_ends, check_rho
from webui.core.speed_fields import SPEED_ROWS

__all__ = ["FIELDS", "MAX_PIXELS", "MAX_SEED", "ROWS", "Field", "Kind", "check_values", "gather_values"]

MAX_PIXELS = 4096 * 4096

ROWS: tuple[Field, ...] = (
    Field(
        "prompt",
        "text",
        "Prompt",
        "What the picture should show. Words that come first weigh more.",
        "",
        maximum=20_000,
        elem_id="prompt",
    ),
    Field(
        "negative_prompt",
        "text",
        "Negative prompt",
        "What should stay out of the picture.",
        "",
        maximum=20_000,
        elem_id="neg_prompt",
        flags=("--negative",),
        abilities=("cfg",),
    ),
    *PROMPT_ROWS,
    *LANGUAGE_ROWS,
    Field(
        "sampler_name",
        "choice",
        "Sampling method",
        "How noise becomes a picture, step by step.",
        "DPM++ 2M",
        maximum=200,
        catalogue="samplers",
        infotext="Sampler",
        elem_id="sampling",
        flags=("--sampler",),
    ),
    Field(
        "scheduler",
        "choice",
        "Schedule type",
        "How the noise is spread over the steps; Automatic takes the sampler's own.",
        "Automatic",
        maximum=200,
        catalogue="schedules",
        infotext="Schedule type",
        elem_id="scheduler",
    ),
    Field(
        "steps",
        "int",
        "Sampling steps",
        "More steps take longer and add detail up to a point.",
        20,
        minimum=1,
        maximum=150,
        step=1,
        infotext="Steps",
        elem_id="steps",
    ),
    Field(
        "cfg_scale",
        "float",
        "CFG scale",
        "How closely the picture follows the prompt; 1 switches guidance off.",
        7.0,
        minimum=1.0,
        maximum=30.0,
        step=0.5,
        infotext="CFG scale",
        elem_id="cfg_scale",
        flags=("--cfg",),
        abilities=("cfg", "cfg_scale"),
        without=1.0,
    ),
    Field(
        "distilled_cfg_scale",
        "float",
        "Distilled CFG Scale",
        "The guidance that models with guidance inside are told (Flux.1 dev); lower looks more natural.",
        3.5,
        minimum=0.0,
        maximum=30.0,
        step=0.1,
        infotext="Distilled CFG Scale",
        elem_id="distilled_cfg_scale",
        flags=("--distilled-cfg",),
        abilities=("distilled_cfg",),
    ),
    Field(
        "width",
        "int",
        "Width",
        "In pixels; close to the size the model was trained at works best.",
        512,
        minimum=64,
        maximum=4096,
        slider=(64, 2048),
        step=8,
        multiple=8,
        elem_id="width",
    ),
    Field(
        "height",
        "int",
        "Height",
        "In pixels; close to the size the model was trained at works best.",
        512,
        minimum=64,
        maximum=4096,
        slider=(64, 2048),
        step=8,
        multiple=8,
        elem_id="height",
    ),
    Field(
        "n_iter",
        "int",
        "Batch count",
        "How many batches are made, one after the other.",
        1,
        minimum=1,
        maximum=100,
        step=1,
        elem_id="batch_count",
        flags=("--count",),
    ),
    Field(
        "batch_size",
        "int",
        "Batch size",
        "How many pictures are made at once.",
        1,
        minimum=1,
        maximum=16,
        slider=(1, 8),
        step=1,
        elem_id="batch_size",
    ),
    Field(
        "seed",
        "int",
        "Seed",
        "The same seed and settings give the same picture; -1 draws one.",
        -1,
        minimum=-1,
        maximum=MAX_SEED,
        infotext="Seed",
        elem_id="seed",
    ),
    *NOISE_ROWS,
    *SAMPLER_ROWS,
    *SPEED_ROWS,
    Field(
        "checkpoint",
        "choice",
        "Checkpoint",
        "The model that makes the picture; empty takes the one chosen in the settings.",
        "",
        maximum=500,
        catalogue="checkpoints",
        infotext="Model",
        group="model",
        flags=("--model",),
    ),
    Field(
        "vae",
        "choice",
        "VAE",
        "What turns latents into the picture: a file's name, Automatic, or None for the one inside the checkpoint.",
        "Automatic",
        maximum=500,
        catalogue="vaes",
        infotext="VAE",
        group="model",
    ),
    Field(
        "text_encoders",
        "text",
        "Text encoders",
        "Names of files with text encoders, with commas between them; the places that they leave are filled by itself.",
        "",
        maximum=2000,
        group="model",
        flags=("--text-encoder",),
    ),
    Field(
        "clip_skip",
        "int",
        "Clip skip",
        "Which of the text encoder's last layers describes the prompt: 1 the last, 2 the one before; "
        "some models were trained with 2.",
        1,
        minimum=1,
        maximum=12,
        step=1,
        infotext="Clip skip",
        elem_id="clip_skip",
        abilities=("clip_skip",),
    ),
    Field(
        "refiner_checkpoint",
        "choice",
        "Refiner",
        "Another model that makes the last steps, or None. It must share the checkpoint's kind of latents.",
        "None",
        maximum=500,
        catalogue="checkpoints",
        infotext="Refiner",
        elem_id="checkpoint",
        group="refiner",
        flags=("--refiner",),
        abilities=("refiner",),
    ),
    Field(
        "refiner_switch_at",
        "float",
        "Switch at",
        "Share of the way from noise to picture after which the refiner takes over, as in A1111; 1 is never.",
        0.8,
        minimum=0.01,
        maximum=1.0,
        step=0.01,
        infotext="Refiner switch at",
        elem_id="switch_at",
        group="refiner",
        abilities=("refiner",),
    ),
    Field(
        "attention",
        "choice",
        "Attention",
        "How attention is computed; all but SageAttention give the same picture within rounding.",
        "sdpa",
        maximum=100,
        catalogue="attention",
        group="model",
    ),
    Field(
        "denoiser_precision",
        "choice",
        "Denoiser precision",
        "What the denoiser's weights are kept in; fp8 takes least memory. Automatic is what the device computes in.",
        AUTOMATIC,
        maximum=20,
        choices=CHOICES,
        infotext=FORGE_KEY,
        group="model",
        abilities=("precision",),
    ),
    Field(
        "text_encoder_precision",
        "choice",
        "Text encoder precision",
        "The same for the text encoders.",
        AUTOMATIC,
        maximum=20,
        choices=CHOICES,
        infotext="Text encoder precision",
        group="model",
        abilities=("precision",),
    ),
    Field(
        "vae_precision",
        "choice",
        "VAE precision",
        "The same for the VAE.",
        AUTOMATIC,
        maximum=20,
        choices=CHOICES,
        infotext="VAE precision",
        group="model",
        abilities=("precision",),
    ),
    Field(
        "alone",
        "bool",
        "Run alone",
        "Never share a forward pass with other jobs, so that the bytes can be repeated exactly.",
        False,
        group="model",
    ),
)

FIELDS: Mapping[str, Field] = {row.name: row for row in ROWS}


def check_values(values: Mapping[str, Any], known: Iterable[Field] = ROWS) -> dict[str, Any]:
    """Every known field from `values` or its default, checked.

    Raises InvalidField for what cannot be taken, InvalidRequest when that is more than one. Unknown names are refused
    with the nearest known one, since a misspelt field would silently change nothing.
    """
    faults = Faults()
    checked = gather_values(values, faults, known)
    faults.raise_found()
    return checked


def gather_values(values: Mapping[str, Any], faults: Faults, known: Iterable[Field] = ROWS) -> dict[str, Any]:
    """As `check_values`, but what is wrong goes into `faults` and stays out of the result."""
    rows = {row.name: row for row in known}
    for name in islice((str(name) for name in values if name not in rows), MOST_UNKNOWN):
        near = nearest(name, rows)
        hint = f" Did you mean '{near}'?" if near else ""
        faults.add(InvalidField(f"There is no field '{name[:60]}'.{hint}", field=name[:60]))
    checked: dict[str, Any] = {}
    for name, row in rows.items():
        with faults.gathered():
            checked[name] = row.check(values.get(name, row.default))
    for check in (_check_pixels, _check_resize, check_ends, check_rho):
        with faults.gathered():
            check(checked)
    return checked


def _check_pixels(checked: Mapping[str, Any]) -> None:
    if not {"width", "height", "batch_size"} <= checked.keys():
        return
    width, height, batch = checked["width"], checked["height"], checked["batch_size"]
    if width * height * batch > MAX_PIXELS:
        raise InvalidField(
            f"{width} × {height} in a batch of {batch} is more than {MAX_PIXELS // 10**6} million pixels at once.",
            field="batch_size" if batch > 1 else "width",
            remedies=("Lower the batch size", "Lower the size"),
        )


def _check_resize(checked: Mapping[str, Any]) -> None:
    sides = {name: checked.get(name) for name in ("seed_resize_from_w", "seed_resize_from_h")}
    missing = [name for name, value in sides.items() if value == 0]
    if len(missing) == 1 and None not in sides.values():
        other = next(FIELDS[name].label for name in sides if name not in missing)
        raise FIELDS[missing[0]].refuse(
            f"is 0 while {other} is not; noise of another size needs both.", "Set both", "Set both to 0"
        )
