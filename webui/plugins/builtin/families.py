"""The built-in model families, one row each; their functions run in the worker only."""

from __future__ import annotations

from webui.core.registry import MEASURED, Family, Need, Variant
from webui.plugins.builtin.families_stock import FLUX_VAE, QWEN3_4B_NAMES, XL_SIZES, stock_part_families
from webui.plugins.builtin.stock import stock_family
from webui.plugins.hooks import hookimpl

_ONE_CLIP = (("text_encoder", ""),)
_TWO_CLIPS = (("text_encoder", "clip_l"), ("text_encoder_2", "clip_g"))
_CLIP_TOKENS = "webui.engine.checkpoints.tokens:count_tokens"
_ENCODERS = "webui.engine.checkpoints.encoders"
# The autoencoders of SD and of SDXL are alike in form, and only their files' names tell them apart.
_KL4 = Need("vae", "kl", {"latent_channels": 4}, names=("ft-mse", "ft-ema", "kl-f8", "840000", "560000", "sd1", "sd-1"))
_KL4_XL = Need("vae", "kl", {"latent_channels": 4}, names=("sdxl", "xl"))
_CHANNELS = (Variant("inpainting", {"in_channels": 9}), Variant("pix2pix", {"in_channels": 8}))
_SD_CHANNELS = (4, 8, 9)


_SD1 = Family(
    "sd1",
    "Stable Diffusion 1",
    "webui.engine.families.sd1:load",
    needs=(
        Need("unet", "unet", {"linear": False, "labelled": False, "in_channels": _SD_CHANNELS}),
        _KL4,
        Need("text_encoder", "clip", {"open_clip": False}, {"width": "unet.context_width"}),
    ),
    count_tokens=_CLIP_TOKENS,
    read_tokens=f"{_ENCODERS}:read_sd",
    native_size=512,
    sizes=((512, 512), (512, 768), (768, 512), (640, 512), (512, 640)),
    steps=20,
    cfg_scale=7.0,
    abilities=("cfg", "clip_skip"),
    emphasis=True,
    embeddings=_ONE_CLIP,
    variants=_CHANNELS,
    tiny_decoder="taesd",
    forms="webui.engine.checkpoints.forms.stable_diffusion:SD1",
    prediction="epsilon",
)

_SD2 = Family(
    "sd2",
    "Stable Diffusion 2",
    "webui.engine.families.sd2:load",
    needs=(
        Need("unet", "unet", {"linear": True, "labelled": False, "in_channels": _SD_CHANNELS}),
        _KL4,
        Need("text_encoder", "clip", {"open_clip": True}, {"width": "unet.context_width"}),
    ),
    count_tokens=_CLIP_TOKENS,
    read_tokens=f"{_ENCODERS}:read_sd",
    native_size=768,
    sizes=((768, 768), (768, 1024), (1024, 768), (512, 512), (512, 768), (768, 512)),
    steps=20,
    cfg_scale=7.0,
    abilities=("cfg", "clip_skip"),
    emphasis=True,
    embeddings=_ONE_CLIP,
    variants=_CHANNELS,
    tiny_decoder="taesd",
    forms="webui.engine.checkpoints.forms.stable_diffusion:SD2",
    prediction=MEASURED,
)

_SDXL = Family(
    "sdxl",
    "Stable Diffusion XL",
    "webui.engine.families.sdxl:load_base",
    needs=(
        Need("unet", "unet", {"labelled": True, "levels": 3, "in_channels": _SD_CHANNELS}),
        _KL4_XL,
        Need("text_encoder", "clip", {"open_clip": False}),
        Need("text_encoder_2", "clip", {"open_clip": True, "projection": True}),
    ),
    count_tokens=_CLIP_TOKENS,
    read_tokens=f"{_ENCODERS}:read_sd",
    native_size=1024,
    sizes=XL_SIZES,
    steps=20,
    cfg_scale=7.0,
    variants=_CHANNELS,
    emphasis=True,
    embeddings=_TWO_CLIPS,
    tiny_decoder="taesdxl",
    forms="webui.engine.checkpoints.forms.stable_diffusion:SDXL",
    prediction="epsilon",
)

_SDXL_REFINER = Family(
    "sdxl-refiner",
    "Stable Diffusion XL refiner",
    "webui.engine.families.sdxl:load_refiner",
    needs=(
        Need("unet", "unet", {"labelled": True, "levels": 4, "in_channels": 4}),
        _KL4_XL,
        Need("text_encoder_2", "clip", {"open_clip": True, "projection": True}, {"width": "unet.context_width"}),
    ),
    count_tokens=_CLIP_TOKENS,
    read_tokens=f"{_ENCODERS}:read_sd",
    native_size=1024,
    sizes=XL_SIZES,
    steps=20,
    cfg_scale=7.0,
    emphasis=True,
    embeddings=_TWO_CLIPS[1:],
    tiny_decoder="taesdxl",
    forms="webui.engine.checkpoints.forms.stable_diffusion:SDXL_REFINER",
    prediction="epsilon",
)

# Those of the samplers that know how flow models add noise, and that make sense with it.
FLOW_SAMPLERS = (
    "Euler",
    "Heun",
    "Euler a",
    "DPM++ 2M",
    "DPM++ SDE",
    "DPM++ 2M SDE",
    "DPM++ 2M SDE Heun",
    "DPM++ 3M SDE",
    "DPM++ 2S a",
    "LMS",
    "DPM2",
    "DPM2 a",
    "IPNDM",
    "DEIS",
    "UniPC",
    "LCM",
    "DPM-Solver++ (diffusers)",
    "UniPC (diffusers)",
    "Flow Euler (diffusers)",
    "Flow Heun (diffusers)",
    "Flow LCM (diffusers)",
    "LTX Euler a (diffusers)",
)
# The transformer takes squares of two latent cells a side.
_FLOW_MULTIPLE = 16

_SD3 = Family(
    "sd3",
    "Stable Diffusion 3",
    "webui.engine.families.sd3:load",
    needs=(
        Need("transformer", "sd3", {"in_channels": 16}),
        Need("vae", "kl", {"latent_channels": 16}, names=("sd3",)),
        Need("text_encoder", "clip", {"open_clip": False}),
        Need("text_encoder_2", "clip", {"open_clip": True, "projection": True}),
        Need("text_encoder_3", "t5", same={"width": "transformer.context_width"}, optional=True),
    ),
    count_tokens="webui.engine.checkpoints.t5_tokens:count_sd3",
    read_tokens=f"{_ENCODERS}:read_sd3",
    native_size=1024,
    sizes=XL_SIZES,
    size_multiple=_FLOW_MULTIPLE,
    steps=28,
    cfg_scale=5.0,
    samplers=FLOW_SAMPLERS,
    flow=True,
    variants=(Variant("turbo", {}, {"steps": 4, "cfg_scale": 1.0}, names=("turbo",)),),
    emphasis=True,
    tiny_decoder="taesd3",
    forms="webui.engine.checkpoints.forms.flow:SD3",
)

_FLUX = Family(
    "flux",
    "Flux.1",
    "webui.engine.families.flux:load",
    needs=(
        Need("transformer", "flux", {"in_channels": 64}),
        FLUX_VAE,
        Need("text_encoder", "clip", {"open_clip": False}, {"width": "transformer.pooled_width"}),
        Need("text_encoder_2", "t5", same={"width": "transformer.context_width"}),
    ),
    count_tokens="webui.engine.checkpoints.t5_tokens:count_flux",
    read_tokens=f"{_ENCODERS}:read_flux",
    native_size=1024,
    sizes=XL_SIZES,
    size_multiple=_FLOW_MULTIPLE,
    steps=20,
    cfg_scale=1.0,
    samplers=FLOW_SAMPLERS,
    flow=True,
    variants=(
        Variant("dev", {"guidance": True}, {"steps": 20, "cfg_scale": 1.0}, ("cfg", "distilled_cfg")),
        Variant("schnell", {"guidance": False}, {"steps": 4, "cfg_scale": 1.0}, ()),
    ),
    emphasis=True,
    tiny_decoder="taef1",
    forms="webui.engine.checkpoints.forms.flow:FLUX",
)

_Z_IMAGE = Family(
    "z-image",
    "Z-Image",
    "webui.engine.families.z_image:load",
    needs=(
        Need("transformer", "z_image", {"in_channels": 16, "siglip": False}),
        FLUX_VAE,
        Need("text_encoder", "qwen3", same={"width": "transformer.context_width"}, names=QWEN3_4B_NAMES),
    ),
    count_tokens="webui.engine.checkpoints.qwen3_tokens:count_prompt",
    native_size=1024,
    sizes=XL_SIZES,
    size_multiple=_FLOW_MULTIPLE,
    steps=30,
    cfg_scale=4.0,
    samplers=FLOW_SAMPLERS,
    flow=True,
    # The weights of the two are of one form; the folders that were published differ in this.
    variants=(Variant("turbo", {}, {"steps": 8, "cfg_scale": 1.0}, scheduler={"shift": 3.0}, names=("turbo",)),),
    tiny_decoder="taef1",
    forms="webui.engine.checkpoints.forms.flow:Z_IMAGE",
)


@hookimpl
def families() -> list[Family]:
    """The families that can be loaded."""
    return [_SD1, _SD2, _SDXL, _SDXL_REFINER, _SD3, _FLUX, _Z_IMAGE, *stock_part_families(), stock_family()]
