"""The forms of SD3, Flux.1 and Z-Image."""

from __future__ import annotations

from typing import Final

from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.forms.base import ENDS, FLOW, FolderForm, Forms, Place
from webui.engine.checkpoints.forms.stable_diffusion import UNET, VAE
from webui.engine.checkpoints.qwen3_tokens import QWEN3
from webui.engine.checkpoints.tokenizer_files import T5

_PLAIN_VAE = Place("vae.", "original")
_BY_SIZE = {
    "shift": 3.0,
    "use_dynamic_shifting": True,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
}


def _text(name: str) -> Place:
    return Place(f"text_encoders.{name}.transformer.", "transformers")


SD3: Final = Forms(
    {
        "transformer": UNET,
        "vae": VAE,
        "text_encoder": _text("clip_l"),
        "text_encoder_2": _text("clip_g"),
        "text_encoder_3": _text("t5xxl"),
    },
    FolderForm(
        {"": "StableDiffusion3Pipeline"},
        1024,
        latent_scales.SD3,
        (FLOW, {"shift": 3.0, "num_train_timesteps": 1000}),
        {"tokenizer": ENDS, "tokenizer_2": "!"},
        {"tokenizer_3": T5},
    ),
)
FLUX: Final = Forms(
    {
        "transformer": UNET,
        "vae": _PLAIN_VAE,
        "text_encoder": _text("clip_l"),
        "text_encoder_2": _text("t5xxl"),
    },
    FolderForm(
        {"": "FluxPipeline"},
        1024,
        latent_scales.FLUX,
        (FLOW, _BY_SIZE),
        {"tokenizer": ENDS},
        {"tokenizer_2": T5},
        shifts={"schnell": 1.0},
    ),
)
Z_IMAGE_SHIFT: Final = 3.0
"""Turbo's; the base was published with 6, and nothing in a file of weights tells the two apart."""
Z_IMAGE: Final = Forms(
    {"transformer": UNET, "vae": _PLAIN_VAE, "text_encoder": _text("qwen3_4b")},
    FolderForm(
        {"": "ZImagePipeline"},
        1024,
        latent_scales.FLUX,
        (FLOW, {}),
        known={"tokenizer": QWEN3},
        shifts={"": Z_IMAGE_SHIFT, "turbo": Z_IMAGE_SHIFT},
    ),
)
