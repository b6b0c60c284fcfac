"""Tiny networks of every family, random, in the library's own form; as small as their structure allows."""

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from webui.engine.layouts.base import give

VOCABULARY = 49408
TEXT_WIDTH = 64
_LEVELS = {
    "sd1": ("CrossAttn", "CrossAttn", "CrossAttn", ""),
    "sd2": ("CrossAttn", "CrossAttn", "CrossAttn", ""),
    "sdxl": ("", "CrossAttn", "CrossAttn"),
    "sdxl-refiner": ("", "CrossAttn", "CrossAttn", ""),
}


def unet(kind="sd1", in_channels=4, seed=0, width=32):
    """A UNet of the kind "sd1", "sd2", "sdxl" or "sdxl-refiner"."""
    torch.manual_seed(seed)
    levels = _LEVELS[kind]
    linear = kind != "sd1"
    width = 64 if linear else width
    widths = tuple(width * min(2, level + 1) for level in range(len(levels)))
    options = {
        "in_channels": in_channels,
        "block_out_channels": widths,
        "layers_per_block": 2,
        "down_block_types": tuple(f"{way}DownBlock2D" for way in levels),
        "up_block_types": tuple(f"{way}UpBlock2D" for way in reversed(levels)),
        "cross_attention_dim": TEXT_WIDTH * (2 if kind == "sdxl" else 1),
        "use_linear_projection": linear,
        "attention_head_dim": [w // 64 for w in widths] if linear else 8,
    }
    if kind.startswith("sdxl"):
        ids = 6 if kind == "sdxl" else 5
        options |= {
            "transformer_layers_per_block": [1, 2, 3] if kind == "sdxl" else [1, 2, 2, 2],
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": TEXT_WIDTH + ids * 256,
        }
    return UNet2DConditionModel(**options).eval()


def vae(latent_channels=4, seed=0, quant=True):
    """An autoencoder with a factor of 8."""
    torch.manual_seed(seed)
    return AutoencoderKL(
        latent_channels=latent_channels,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        use_quant_conv=quant,
        use_post_quant_conv=quant,
    ).eval()


def clip(kind="clip-l", projection=False, seed=0):
    """CLIP's text encoder of the kind "clip-l", "clip-h" or "clip-g": the layers are as many, the width is not."""
    torch.manual_seed(seed)
    layers = {"clip-l": 12, "clip-h": 24, "clip-g": 32}[kind]
    config = CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=TEXT_WIDTH,
        intermediate_size=TEXT_WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=1,
        projection_dim=TEXT_WIDTH,
        hidden_act="quick_gelu" if kind == "clip-l" else "gelu",
        bos_token_id=VOCABULARY - 2,
        eos_token_id=VOCABULARY - 1,
        initializer_range=0.5,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def renamed(network, layout, prefix="", config=None):
    """The network's tensors as a file of that layout has them."""
    config = config or dict(network.config.to_dict() if hasattr(network.config, "to_dict") else network.config)
    tensors = give((layout(name, config), tensor) for name, tensor in network.state_dict().items())
    return {prefix + name: tensor for name, tensor in tensors.items()}
