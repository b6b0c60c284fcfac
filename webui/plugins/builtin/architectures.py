"""The networks that the built-in families are made of, one row each; `build` and `layouts` run in the worker only."""

from __future__ import annotations

from webui.core.registry import Architecture
from webui.plugins.hooks import hookimpl

_KNOWN = "webui.engine.checkpoints.architectures"
_LAYOUTS = "webui.engine.layouts"
_BUILD = "webui.engine.reading.builders"
_BUILD_FLOW = "webui.engine.reading.builders_flow"
_BUILD_QWEN = "webui.engine.reading.builders_qwen"
_BUILD_VAES = "webui.engine.reading.builders_vaes"
_BUILD_STOCK = "webui.engine.reading.builders_stock"


def _transformer(name: str, title: str, builders: str, *, classes: tuple[str, ...] = ()) -> Architecture:
    """A row of a transformer that is known in diffusers' naming and its own program's, by modules of this name."""
    return Architecture(
        name,
        f"Transformer of {title}",
        "denoiser",
        f"{_KNOWN}.{name}:recognise",
        f"{builders}:{name}",
        {"diffusers": f"{_LAYOUTS}.base:same", "original": f"{_LAYOUTS}.{name}:transformer"},
        places=("model.diffusion_model.",),
        classes=classes,
    )


_ROWS = (
    Architecture(
        "unet",
        "UNet of Stable Diffusion",
        "denoiser",
        f"{_KNOWN}.unet:recognise",
        f"{_BUILD}:unet",
        {"diffusers": f"{_LAYOUTS}.base:same", "original": f"{_LAYOUTS}.ldm:unet"},
        places=("model.diffusion_model.",),
        classes=("UNet2DConditionModel",),
    ),
    Architecture(
        "kl",
        "Autoencoder",
        "vae",
        f"{_KNOWN}.vae:recognise",
        f"{_BUILD}:vae",
        {
            "diffusers": f"{_LAYOUTS}.base:same",
            "diffusers_old": f"{_LAYOUTS}.ldm:old_vae",
            "original": f"{_LAYOUTS}.ldm:vae",
        },
        places=("first_stage_model.", "vae."),
        classes=("AutoencoderKL",),
    ),
    Architecture(
        "clip",
        "CLIP text encoder",
        "text_encoder",
        f"{_KNOWN}.clip:recognise",
        f"{_BUILD}:clip",
        {
            "transformers": f"{_LAYOUTS}.clip:transformers",
            "transformers_bare": f"{_LAYOUTS}.clip:transformers_bare",
            "open_clip": f"{_LAYOUTS}.clip:open_clip",
        },
        places=(
            "cond_stage_model.transformer.",
            "cond_stage_model.model.",
            "conditioner.embedders.0.transformer.",
            "conditioner.embedders.0.model.",
            "conditioner.embedders.1.model.",
            "text_encoders.clip_l.transformer.",
            "text_encoders.clip_g.transformer.",
            "text_encoders.clip_h.transformer.",
        ),
        classes=("CLIPTextModel", "CLIPTextModelWithProjection"),
    ),
    _transformer("sd3", "Stable Diffusion 3", _BUILD_FLOW, classes=("SD3Transformer2DModel",)),
    _transformer("flux", "Flux.1", _BUILD_FLOW, classes=("FluxTransformer2DModel",)),
    Architecture(
        "t5",
        "T5 text encoder",
        "text_encoder",
        f"{_KNOWN}.t5:recognise",
        f"{_BUILD_FLOW}:t5",
        {"transformers": f"{_LAYOUTS}.t5:transformers", "llama_cpp": f"{_LAYOUTS}.t5:llama_cpp"},
        places=("text_encoders.t5xxl.transformer.",),
        classes=("T5EncoderModel", "T5ForConditionalGeneration"),
    ),
    _transformer("z_image", "Z-Image", _BUILD_QWEN, classes=("ZImageTransformer2DModel",)),
    Architecture(
        "qwen3",
        "Qwen3 language model",
        "text_encoder",
        f"{_KNOWN}.qwen3:recognise",
        f"{_BUILD_QWEN}:qwen3",
        {
            "transformers": f"{_LAYOUTS}.language_models:transformers",
            "transformers_bare": f"{_LAYOUTS}.base:same",
            "llama_cpp": f"{_LAYOUTS}.language_models:llama_cpp",
        },
        places=(
            "text_encoders.qwen3_4b.transformer.",
            "text_encoders.qwen3_8b.transformer.",
            "text_encoders.qwen3_06b.transformer.",
        ),
        classes=("Qwen3Model", "Qwen3ForCausalLM"),
    ),
    Architecture(
        "flux2_kl",
        "Autoencoder of Flux.2",
        "vae",
        f"{_KNOWN}.vae:recognise_flux2",
        f"{_BUILD_VAES}:flux2",
        {"diffusers": f"{_LAYOUTS}.base:same", "original": f"{_LAYOUTS}.ldm:vae"},
        places=("vae.",),
        classes=("AutoencoderKLFlux2",),
    ),
    Architecture(
        "qwen_image_kl",
        "Autoencoder of Qwen-Image and Wan 2.1",
        "vae",
        f"{_KNOWN}.qwen_image_vae:recognise",
        f"{_BUILD_VAES}:qwen_image",
        {"diffusers": f"{_LAYOUTS}.base:same", "original": f"{_LAYOUTS}.wan:vae"},
        places=("vae.",),
        classes=("AutoencoderKLQwenImage",),
    ),
    _transformer("flux2", "Flux.2", _BUILD_STOCK),
    Architecture(
        "qwen_image",
        "Transformer of Qwen-Image",
        "denoiser",
        f"{_KNOWN}.qwen_image:recognise",
        f"{_BUILD_STOCK}:qwen_image",
        {"diffusers": f"{_LAYOUTS}.base:same"},
        places=("model.diffusion_model.",),
    ),
    _transformer("lumina2", "Lumina 2", _BUILD_STOCK),
    _transformer("chroma", "Chroma", _BUILD_STOCK),
    Architecture(
        "gemma2",
        "Gemma 2 language model",
        "text_encoder",
        f"{_KNOWN}.gemma2:recognise",
        f"{_BUILD_STOCK}:gemma2",
        {
            "transformers": f"{_LAYOUTS}.language_models:transformers",
            "transformers_bare": f"{_LAYOUTS}.base:same",
            "llama_cpp": f"{_LAYOUTS}.language_models:llama_cpp_gemma2",
        },
        places=("text_encoders.gemma2_2b.transformer.",),
    ),
    Architecture(
        "mistral",
        "Mistral Small language model",
        "text_encoder",
        f"{_KNOWN}.mistral:recognise",
        f"{_BUILD_STOCK}:mistral",
        {
            "transformers": f"{_LAYOUTS}.language_models:transformers",
            "with_eyes": f"{_LAYOUTS}.language_models:with_eyes",
            "with_eyes_old": f"{_LAYOUTS}.language_models:with_eyes_old",
            "transformers_bare": f"{_LAYOUTS}.base:same",
        },
        places=("text_encoders.mistral3_24b.transformer.",),
    ),
    Architecture(
        "qwen_vl",
        "Qwen2.5-VL language model",
        "text_encoder",
        f"{_KNOWN}.qwen_vl:recognise",
        f"{_BUILD_STOCK}:qwen_vl",
        {
            "transformers": f"{_LAYOUTS}.language_models:transformers",
            "with_eyes": f"{_LAYOUTS}.language_models:with_eyes",
            "transformers_bare": f"{_LAYOUTS}.base:same",
            "llama_cpp": f"{_LAYOUTS}.language_models:llama_cpp",
        },
        places=("text_encoders.qwen25_7b.transformer.",),
    ),
)


@hookimpl
def architectures() -> list[Architecture]:
    """The networks that can be read."""
    return list(_ROWS)
