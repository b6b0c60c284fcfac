"""What the names of each family's parts begin with in single files as people have them. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from webui.core.errors import ModelProblem


class Place(NamedTuple):
    """Where a part lies in a single file, and in which of its architecture's namings."""

    prefix: str
    layout: str


_UNET = Place("model.diffusion_model.", "original")
_VAE = Place("first_stage_model.", "original")
_PLAIN_VAE = Place("vae.", "original")


def _text(name: str) -> Place:
    return Place(f"text_encoders.{name}.transformer.", "transformers")


_BASE = {"unet": _UNET, "vae": _VAE}
_FORMS: Mapping[str, Mapping[str, Place]] = MappingProxyType(
    {
        "sd1": {**_BASE, "text_encoder": Place("cond_stage_model.transformer.", "transformers")},
        "sd2": {**_BASE, "text_encoder": Place("cond_stage_model.model.", "open_clip")},
        "sdxl": {
            **_BASE,
            "text_encoder": Place("conditioner.embedders.0.transformer.", "transformers"),
            "text_encoder_2": Place("conditioner.embedders.1.model.", "open_clip"),
        },
        "sdxl-refiner": {**_BASE, "text_encoder_2": Place("conditioner.embedders.0.model.", "open_clip")},
        "sd3": {
            "transformer": _UNET,
            "vae": _VAE,
            "text_encoder": _text("clip_l"),
            "text_encoder_2": _text("clip_g"),
            "text_encoder_3": _text("t5xxl"),
        },
        "flux": {
            "transformer": _UNET,
            "vae": _PLAIN_VAE,
            "text_encoder": _text("clip_l"),
            "text_encoder_2": _text("t5xxl"),
        },
        "z-image": {"transformer": _UNET, "vae": _PLAIN_VAE, "text_encoder": _text("qwen3_4b")},
    }
)

MERGED = ("sd1", "sd2", "sdxl", "sdxl-refiner")
"""The families whose checkpoints can be merged."""


def single_form(family: str) -> Mapping[str, Place]:
    """The places of a family's parts in single files as people have them. Raises ModelProblem: it has no such form."""
    form = _FORMS.get(family)
    if form is None:
        raise ModelProblem(
            f"Models of the family '{family}' have no form as a single file that is known here.", field="checkpoint"
        )
    return form
