"""The forms of SD1, SD2, SDXL and its refiner."""

from __future__ import annotations

from typing import Any, Final

from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.forms.base import ENDS, FolderForm, Forms, Place

UNET: Final = Place("model.diffusion_model.", "original")
VAE: Final = Place("first_stage_model.", "original")

_BASE = {"unet": UNET, "vae": VAE}
_SD_PIPELINES = {
    "": "StableDiffusionPipeline",
    "inpainting": "StableDiffusionInpaintPipeline",
    "pix2pix": "StableDiffusionInstructPix2PixPipeline",
}
_XL_PIPELINES = {
    "": "StableDiffusionXLPipeline",
    "inpainting": "StableDiffusionXLInpaintPipeline",
    "pix2pix": "StableDiffusionXLInstructPix2PixPipeline",
}
_EULER = (
    "EulerDiscreteScheduler",
    {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "num_train_timesteps": 1000,
        "steps_offset": 1,
        "timestep_spacing": "leading",
    },
)
_NO_CHECKER: dict[str, Any] = {
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
}

SD1: Final = Forms(
    {**_BASE, "text_encoder": Place("cond_stage_model.transformer.", "transformers")},
    FolderForm(_SD_PIPELINES, 512, latent_scales.SD, _EULER, {"tokenizer": ENDS}, index=_NO_CHECKER),
    merges=True,
)
SD2: Final = Forms(
    {**_BASE, "text_encoder": Place("cond_stage_model.model.", "open_clip")},
    FolderForm(_SD_PIPELINES, 768, latent_scales.SD, _EULER, {"tokenizer": "!"}, index=_NO_CHECKER),
    merges=True,
)
SDXL: Final = Forms(
    {
        **_BASE,
        "text_encoder": Place("conditioner.embedders.0.transformer.", "transformers"),
        "text_encoder_2": Place("conditioner.embedders.1.model.", "open_clip"),
    },
    FolderForm(
        _XL_PIPELINES,
        1024,
        latent_scales.SDXL,
        _EULER,
        {"tokenizer": ENDS, "tokenizer_2": "!"},
        index={"force_zeros_for_empty_prompt": True},
    ),
    merges=True,
)
SDXL_REFINER: Final = Forms(
    {**_BASE, "text_encoder_2": Place("conditioner.embedders.0.model.", "open_clip")},
    FolderForm(
        {"": "StableDiffusionXLImg2ImgPipeline"},
        1024,
        latent_scales.SDXL,
        _EULER,
        {"tokenizer_2": "!"},
        index={
            "text_encoder": [None, None],
            "tokenizer": [None, None],
            "force_zeros_for_empty_prompt": False,
            "requires_aesthetics_score": True,
        },
    ),
    merges=True,
)
