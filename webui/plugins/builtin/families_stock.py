"""The families whose models, put together of parts in several files, run through their stock pipelines."""

from __future__ import annotations

from webui.core.registry import Family, Need, Variant
from webui.plugins.builtin.stock import SAMPLER, stock_classes

_SIZES = ((1024, 1024), (832, 1216), (1216, 832), (896, 1152), (1152, 896), (768, 1344), (1344, 768))
_QWEN3_NAMES = ("qwen_3_4b", "qwen3_4b", "qwen3-4b", "qwen_3_8b", "qwen3_8b", "qwen3-8b")
_FLUX_VAE = Need("vae", "kl", {"latent_channels": 16}, names=("ae", "flux"))
_QWEN_IMAGE_SIZES = ((1328, 1328), (928, 1664), (1664, 928), (1104, 1472), (1472, 1104), (1024, 1024))


def stock_part_families() -> list[Family]:
    """One row for each."""
    return [_flux2(), _flux2_klein(), _qwen_image(), _lumina2(), _chroma()]


def _flux2() -> Family:
    row = stock_classes()["Flux2Pipeline"]
    return Family(
        "flux2",
        "Flux.2 dev",
        "webui.engine.families.flux2:load_dev",
        needs=(
            Need("transformer", "flux2", {"guidance": True}),
            Need("vae", "flux2_kl", names=("flux2", "flux.2")),
            Need("text_encoder", "mistral", same={"width": "transformer.encoder_width"}, names=("flux2", "mistral")),
        ),
        count_tokens="webui.engine.checkpoints.chat_tokens:count_flux2",
        native_size=row.size,
        sizes=_SIZES,
        size_multiple=row.multiple,
        steps=row.steps,
        cfg_scale=row.cfg,
        samplers=(SAMPLER,),
        abilities=row.abilities,
        variants=(Variant("dev", {}, {"distilled_cfg_scale": row.embedded}),),
    )


def _flux2_klein() -> Family:
    row = stock_classes()["Flux2KleinPipeline"]
    return Family(
        "flux2-klein",
        "Flux.2 klein",
        "webui.engine.families.flux2:load_klein",
        needs=(
            Need("transformer", "flux2", {"guidance": False}),
            Need("vae", "flux2_kl", names=("flux2", "flux.2")),
            Need("text_encoder", "qwen3", same={"width": "transformer.encoder_width"}, names=_QWEN3_NAMES),
        ),
        count_tokens="webui.engine.checkpoints.qwen3_tokens:count_prompt",
        native_size=row.size,
        sizes=_SIZES,
        size_multiple=row.multiple,
        # The published distilled model's; those of the base model are the class's.
        steps=4,
        cfg_scale=1.0,
        samplers=(SAMPLER,),
        abilities=row.abilities,
        variants=(Variant("base", {}, {"steps": row.steps, "cfg_scale": row.cfg}, names=("base",)),),
    )


def _qwen_image() -> Family:
    row = stock_classes()["QwenImagePipeline"]
    return Family(
        "qwen-image",
        "Qwen-Image",
        "webui.engine.families.qwen_image:load",
        needs=(
            Need("transformer", "qwen_image", {"layered": False, "edits": False}),
            Need("vae", "qwen_image_kl", names=("qwen",)),
            Need("text_encoder", "qwen_vl", same={"width": "transformer.context_width"}, names=("vl",)),
        ),
        count_tokens="webui.engine.checkpoints.chat_tokens:count_qwen_image",
        native_size=row.size,
        sizes=_QWEN_IMAGE_SIZES,
        size_multiple=row.multiple,
        steps=row.steps,
        cfg_scale=row.cfg,
        samplers=(SAMPLER,),
        abilities=row.abilities,
    )


def _lumina2() -> Family:
    row = stock_classes()["Lumina2Pipeline"]
    return Family(
        "lumina2",
        "Lumina 2",
        "webui.engine.families.lumina2:load",
        needs=(
            Need("transformer", "lumina2", {"in_channels": 16}),
            _FLUX_VAE,
            Need("text_encoder", "gemma2", same={"width": "transformer.context_width"}, names=("gemma",)),
        ),
        count_tokens="webui.engine.checkpoints.chat_tokens:count_lumina2",
        native_size=row.size,
        sizes=_SIZES,
        size_multiple=row.multiple,
        steps=row.steps,
        cfg_scale=row.cfg,
        samplers=(SAMPLER,),
        abilities=row.abilities,
    )


def _chroma() -> Family:
    row = stock_classes()["ChromaPipeline"]
    return Family(
        "chroma",
        "Chroma",
        "webui.engine.families.chroma:load",
        needs=(
            Need("transformer", "chroma", {"in_channels": 64}),
            _FLUX_VAE,
            Need("text_encoder", "t5", same={"width": "transformer.context_width"}),
        ),
        count_tokens="webui.engine.checkpoints.t5_tokens:count_chroma",
        native_size=row.size,
        sizes=_SIZES,
        size_multiple=row.multiple,
        steps=row.steps,
        cfg_scale=row.cfg,
        samplers=(SAMPLER,),
        abilities=row.abilities,
    )
