"""Tiny random models of SD3, SD3.5 and Flux.1: their networks, a tokenizer for T5, the files people have of them."""

import json

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel, SD3Transformer2DModel
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from transformers import T5Config, T5EncoderModel

from tests.engine import singles, tiny
from webui.engine.layouts import clip, flux, ldm, sd3, t5

CONTEXT_WIDTH = 192
"""More than the two CLIP encoders have together, so that there is something to pad."""
KINDS = ("sd3", "sd3.5", "flux-dev", "flux-schnell")
PIECES = ["<pad>", "</s>", "<unk>", "\u2581", *"abcdefghijklmnopqrstuvwxyz,.", "\u2581a", "\u2581red", "circle", "ar"]
SCORES = [0.0, 0.0, 0.0, -2.0, *[-6.0] * 28, -3.0, -4.0, -4.5, -5.0]
DYNAMIC = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
SCHEDULERS = {"sd3": {"shift": 3.0}, "sd3.5": {"shift": 3.0}, "flux-dev": DYNAMIC, "flux-schnell": {"shift": 1.0}}


def sd3_transformer(kind="sd3", seed=0):
    """A transformer of the kind "sd3" or "sd3.5", the second with norms of queries and twofold attention."""
    torch.manual_seed(seed)
    later = {"dual_attention_layers": (0, 1), "qk_norm": "rms_norm"} if kind == "sd3.5" else {}
    network = SD3Transformer2DModel(
        num_layers=3, attention_head_dim=64, num_attention_heads=2, joint_attention_dim=CONTEXT_WIDTH,
        caption_projection_dim=128, pooled_projection_dim=2 * tiny.TEXT_WIDTH, pos_embed_max_size=12, **later,
    )  # fmt: skip
    return _lively(network)


def flux_transformer(kind="flux-dev", seed=0):
    """A transformer of the kind "flux-dev" or "flux-schnell"."""
    torch.manual_seed(seed)
    network = FluxTransformer2DModel(
        out_channels=64, num_layers=2, num_single_layers=2, attention_head_dim=128, num_attention_heads=1,
        joint_attention_dim=CONTEXT_WIDTH, pooled_projection_dim=tiny.TEXT_WIDTH, guidance_embeds=kind == "flux-dev",
    )  # fmt: skip
    return _lively(network)


def t5_encoder(seed=0, gated=True):
    """T5's encoder."""
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=160, d_model=CONTEXT_WIDTH, d_kv=32, d_ff=96, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu" if gated else "relu",
    )  # fmt: skip
    return T5EncoderModel(config).eval()


def _lively(network):
    """The network with weights large enough that texts, times and places show in its answers."""
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1 and "pos_embed" not in name:
            torch.nn.init.normal_(parameter, std=1.0 / parameter[0].numel() ** 0.5)
    return network.eval()


def tokenizer():
    """A tokenizer of T5's kind with few tokens."""
    made = Tokenizer(models.Unigram(list(zip(PIECES, SCORES, strict=True)), 2, False))
    split = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), split])
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made.add_special_tokens([AddedToken(name, normalized=False) for name in PIECES[:3]])
    return made


def write_tokenizer(folder):
    """The folder with this tokenizer in it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def flow(kind, seed=0):
    """A model of one of the kinds, as `singles.Model`; its parts' names in the single files that were published."""
    inside = "model.diffusion_model."
    texts = "text_encoders.{}.transformer."
    small = singles.Part(tiny.clip(seed=seed), texts.format("clip_l"), clip.transformers)
    long = singles.Part(t5_encoder(seed), texts.format("t5xxl"), _t5_in_files)
    autoencoder = tiny.vae(16, seed, quant=False)
    scaling, shift = (1.5305, 0.0609) if kind.startswith("sd3") else (0.3611, 0.1159)
    autoencoder.register_to_config(scaling_factor=scaling, shift_factor=shift)
    if kind.startswith("sd3"):
        large = singles.Part(tiny.clip("clip-g", True, seed), texts.format("clip_g"), clip.transformers)
        parts = {
            "transformer": singles.Part(sd3_transformer(kind, seed), inside, sd3.transformer),
            "vae": singles.Part(autoencoder, "first_stage_model.", ldm.vae),
            "text_encoder": small, "text_encoder_2": large, "text_encoder_3": long,
        }  # fmt: skip
    else:
        parts = {
            "transformer": singles.Part(flux_transformer(kind, seed), inside, flux.transformer),
            "vae": singles.Part(autoencoder, "vae.", ldm.vae),
            "text_encoder": small, "text_encoder_2": long,
        }  # fmt: skip
    return singles.Model(kind, parts)


def _t5_in_files(name, config):
    """The layout by the names of the whole `T5EncoderModel`, whose second table of tokens is the first."""
    bare = "embed_tokens.weight" if name == "shared.weight" else name.removeprefix("encoder.")
    return t5.transformers(bare, config)


def folder(model, path):
    """A diffusers folder of the model."""
    for name, part in model.parts.items():
        part.network.save_pretrained(path / name)
    FlowMatchEulerDiscreteScheduler(**SCHEDULERS[model.kind]).save_pretrained(path / "scheduler")
    number = max(part for part in model.parts if part.startswith("text_encoder"))[-1]
    write_tokenizer(path / f"tokenizer_{number}")
    (path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusion3Pipeline"}), encoding="utf-8")
    return path
