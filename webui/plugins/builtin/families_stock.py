"""The families whose models, put together of parts in several files, run through their stock pipelines."""

from __future__ import annotations

from dataclasses import replace

from webui.core.registry import Family, Need, Variant
from webui.plugins.builtin.stock import SAMPLER, stock_classes

XL_SIZES = ((1024, 1024), (832, 1216), (1216, 832), (896, 1152), (1152, 896), (768, 1344), (1344, 768))
"""Sizes of about a million pixels, on which SDXL and most later models were trained."""
FLUX_VAE = Need("vae", "kl", {"latent_channels": 16}, names=("ae", "flux"))
QWEN3_4B_NAMES = ("qwen_3_4b", "qwen3_4b", "qwen3-4b")

_FLUX2_VAE = Need("vae", "flux2_kl", names=("flux2", "flux.2"))
_QWEN3_NAMES = (*QWEN3_4B_NAMES, "qwen_3_8b", "qwen3_8b", "qwen3-8b")
_QWEN_IMAGE_SIZES = ((1328, 1328), (928, 1664), (1664, 928), (1104, 1472), (1472, 1104), (1024, 1024))


def stock_part_families() -> list[Family]:
    """One row for each."""
    return [_flux2(), _flux2_klein(), _qwen_image(), _lumina2(), _chroma()]


def _family(name: str, title: str, pipeline: str, function: str, count_tokens: str, *needs: Need) -> Family:
    """A row with the defaults of the pipeline class that its models run through."""
    row = stock_classes()[pipeline]
    return Family(
        name,
        title,
        f"webui.engine.families.{function}",
        needs,
        f"webui.engine.checkpoints.{count_tokens}",
        native_size=row.size,
        sizes=XL_SIZES,
        size_multiple=row.multiple,
        steps=row.steps,
        cfg_scale=row.cfg,
        samplers=(SAMPLER,),
        abilities=row.abilities,
    )


def _flux2() -> Family:
    family = _family(
        "flux2",
        "Flux.2 dev",
        "Flux2Pipeline",
        "flux2:load_dev",
        "chat_tokens:count_flux2",
        Need("transformer", "flux2", {"guidance": True}),
        _FLUX2_VAE,
        Need("text_encoder", "mistral", same={"width": "transformer.encoder_width"}, names=("flux2", "mistral")),
    )
    guidance = stock_classes()["Flux2Pipeline"].embedded
    return replace(family, variants=(Variant("dev", {}, {"distilled_cfg_scale": guidance}),))


def _flux2_klein() -> Family:
    base = _family(
        "flux2-klein",
        "Flux.2 klein",
        "Flux2KleinPipeline",
        "flux2:load_klein",
        "qwen3_tokens:count_prompt",
        Need("transformer", "flux2", {"guidance": False}),
        _FLUX2_VAE,
        Need("text_encoder", "qwen3", same={"width": "transformer.encoder_width"}, names=_QWEN3_NAMES),
    )
    own = Variant("base", {}, {"steps": base.steps, "cfg_scale": base.cfg_scale}, names=("base",))
    # The published distilled model's; those of the base model are the class's.
    return replace(base, steps=4, cfg_scale=1.0, variants=(own,))


def _qwen_image() -> Family:
    family = _family(
        "qwen-image",
        "Qwen-Image",
        "QwenImagePipeline",
        "qwen_image:load",
        "chat_tokens:count_qwen_image",
        Need("transformer", "qwen_image", {"layered": False, "edits": False}),
        Need("vae", "qwen_image_kl", names=("qwen",)),
        Need("text_encoder", "qwen_vl", same={"width": "transformer.context_width"}, names=("vl",)),
    )
    return replace(family, sizes=_QWEN_IMAGE_SIZES)


def _lumina2() -> Family:
    return _family(
        "lumina2",
        "Lumina 2",
        "Lumina2Pipeline",
        "lumina2:load",
        "chat_tokens:count_lumina2",
        Need("transformer", "lumina2", {"in_channels": 16}),
        FLUX_VAE,
        Need("text_encoder", "gemma2", same={"width": "transformer.context_width"}, names=("gemma",)),
    )


def _chroma() -> Family:
    return _family(
        "chroma",
        "Chroma",
        "ChromaPipeline",
        "chroma:load",
        "t5_tokens:count_chroma",
        Need("transformer", "chroma", {"in_channels": 64}),
        FLUX_VAE,
        Need("text_encoder", "t5", same={"width": "transformer.context_width"}),
    )
