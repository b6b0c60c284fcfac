"""Files that look like models by their tensors' names and shapes, with nothing in them: for listing and acceptance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

Shapes = Mapping[str, tuple[int, ...]]

_FLUX = {
    "img_in.weight": (128, 64),
    "txt_in.weight": (128, 8),
    "vector_in.in_layer.weight": (8, 4),
    "time_in.in_layer.weight": (8, 8),
    "double_blocks.0.img_attn.norm.query_norm.scale": (128,),
    "double_blocks.0.img_mod.lin.weight": (8, 8),
    "single_blocks.0.linear1.weight": (8, 8),
    "final_layer.linear.weight": (64, 128),
}
_GUIDANCE = {"guidance_in.in_layer.weight": (8, 8)}


def vae(channels: int) -> dict[str, tuple[int, ...]]:
    """An autoencoder with so many latent channels: 4 for SD and SDXL, 16 for SD3 and Flux.1."""
    blocks = {f"decoder.up.0.block.{place}.conv1.weight": (8, 8, 3, 3) for place in (0, 1)}
    return {
        "decoder.conv_in.weight": (8, channels, 3, 3),
        "decoder.conv_out.weight": (3, 8, 3, 3),
        "decoder.mid.attn_1.q.weight": (8, 8, 1, 1),
        **blocks,
    }


def clip(width: int = 4) -> dict[str, tuple[int, ...]]:
    """CLIP-L's text encoder, of this width."""
    return {
        "text_model.embeddings.token_embedding.weight": (49408, width),
        "text_model.embeddings.position_embedding.weight": (77, width),
        "text_model.encoder.layers.0.mlp.fc1.weight": (8, width),
    }


def t5(width: int = 8) -> dict[str, tuple[int, ...]]:
    """T5's encoder, of this width."""
    return {
        "shared.weight": (100, width),
        "encoder.block.0.layer.0.SelfAttention.q.weight": (8, width),
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (32, 2),
        "encoder.block.0.layer.1.DenseReluDense.wi_0.weight": (8, width),
    }


def flux(*, guidance: bool) -> dict[str, tuple[int, ...]]:
    """The transformer of Flux.1 dev, or without guidance of Flux.1 schnell."""
    return {**_FLUX, **(_GUIDANCE if guidance else {})}


def lora(width: int = 768) -> dict[str, tuple[int, ...]]:
    """A LoRA in kohya's naming, for a model whose texts' states are so wide: 768 are Stable Diffusion 1's."""
    place = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    return {f"{place}.lora_down.weight": (4, width), f"{place}.lora_up.weight": (8, 4), f"{place}.alpha": ()}


def embedding(width: int = 768) -> dict[str, tuple[int, ...]]:
    """An embedding of two vectors in A1111's naming, for text encoders that are so wide."""
    return {"emb_params": (2, width)}


def write(path: Path, *networks: tuple[str, Shapes], fill: float = 0.0) -> Path:
    """A file of these networks, each with what its tensors' names begin with; `fill` makes files differ."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        start + name: np.full(shape, fill, np.float16) for start, shapes in networks for name, shape in shapes.items()
    }
    save_file(tensors, path)
    return path


def write_flux_house(models: Path) -> None:
    """models/ with Flux.1 dev and schnell as transformers alone, and what they lack; and a second VAE of the kind."""
    for name, guidance in (("flux-dev", True), ("flux-schnell", False)):
        write(models / "Stable-diffusion" / f"{name}.safetensors", ("", flux(guidance=guidance)))
    write(models / "VAE" / "ae.safetensors", ("", vae(16)))
    write(models / "VAE" / "flux-new.safetensors", ("", vae(16)), fill=1.0)
    write(models / "VAE" / "sd-mse.safetensors", ("", vae(4)))
    write(models / "text_encoder" / "clip_l.safetensors", ("", clip()))
    write(models / "text_encoder" / "t5xxl.safetensors", ("", t5()))


def write_sana(folder: Path) -> None:
    """A folder in diffusers' form of a model that runs through its own pipeline, without a model in it."""
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "SanaPipeline", "_diffusers_version": "0.30"}')
    parts = {"transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
    for part, name in parts.items():
        write(folder / part / f"{name}.safetensors", ("", {"a": (2, 2)}))
        (folder / part / "config.json").write_text("{}")
