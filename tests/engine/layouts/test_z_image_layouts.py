"""Z-Image's and Qwen3's namings: known, read back, the same as diffusers and llama.cpp's tools read and write them."""

import gguf
import pytest
import torch
from diffusers import ZImageTransformer2DModel
from diffusers.loaders import single_file_utils as theirs
from transformers import Qwen2Config, Qwen2Model, Qwen3Config, Qwen3ForCausalLM, Qwen3MoeConfig, Qwen3MoeModel

from tests.engine import tiny
from tests.engine.layouts.test_layouts import same_config, same_weights, seen
from tests.engine.tiny_z_image import language_model, transformer
from webui.engine.checkpoints.architectures import qwen3 as qwens
from webui.engine.checkpoints.architectures import z_image as z_images
from webui.engine.layouts import language_models, z_image
from webui.engine.layouts.base import same

CONVERT = theirs.convert_z_image_transformer_checkpoint_to_diffusers
PUBLISHED_NAMES = (
    "x_embedder.weight", "x_pad_token", "cap_pad_token", "cap_embedder.0.weight", "cap_embedder.1.bias",
    "t_embedder.mlp.2.bias", "noise_refiner.1.adaLN_modulation.0.bias", "context_refiner.0.feed_forward.w3.weight",
    "layers.29.attention.qkv.weight", "layers.0.attention.k_norm.weight", "layers.0.attention.out.weight",
    "layers.0.ffn_norm2.weight", "final_layer.linear.bias", "final_layer.adaLN_modulation.1.weight",
)  # fmt: skip
"""Some of those in the single file that was published for ComfyUI, z_image_turbo_bf16.safetensors."""

SIZES = {
    "0.6B": (1024, 3072, 28, 16),
    "1.7B": (2048, 6144, 28, 16),
    "4B": (2560, 9728, 36, 32),
    "8B": (4096, 12288, 36, 32),
}
"""Width, width inside, layers and heads of those that Qwen published; all have 8 heads of keys, 128 wide."""


@pytest.mark.parametrize("prefix", ["model.diffusion_model.", ""])
def test_the_published_size_is_known_and_diffusers_knows_our_files(prefix):
    with torch.device("meta"):
        network = ZImageTransformer2DModel(axes_lens=[1536, 512, 512])
    tensors = tiny.renamed(network, z_image.transformer, prefix)
    assert {prefix + name for name in PUBLISHED_NAMES} <= tensors.keys()
    assert theirs.infer_diffusers_model_type(tensors) == "z-image-turbo"
    form = z_images.recognise(seen(tensors, prefix))
    same_config(form, network)
    converted = CONVERT(dict(tensors))
    assert {n: t.shape for n, t in converted.items()} == {n: t.shape for n, t in network.state_dict().items()}


def test_a_transformer_in_the_naming_of_single_files():
    network = transformer()
    tensors = tiny.renamed(network, z_image.transformer)
    # The published file has a norm that nothing uses.
    form = z_images.recognise(seen(tensors | {"norm_final.weight": torch.zeros(256)}))
    assert form.layout == "original" and form.facts == {"in_channels": 16, "context_width": 32, "siglip": False}
    same_config(form, network)
    same_weights(network, tensors, z_image.transformer, form.config)
    converted = CONVERT(dict(tensors))
    assert converted.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, network.state_dict()[key]) for key, tensor in converted.items())


@pytest.mark.parametrize("siglip", [None, 48])
def test_a_transformer_in_diffusers_naming(siglip):
    with torch.device("meta"):
        network = ZImageTransformer2DModel(
            dim=256, n_layers=1, n_heads=2, n_kv_heads=2, siglip_feat_dim=siglip, axes_lens=[1536, 512, 512]
        )
    names = seen(network.state_dict())
    alone, with_config = z_images.recognise(names), z_images.recognise(names, dict(network.config))
    assert alone.layout == with_config.layout == "diffusers"
    same_config(alone, network)
    assert alone.facts == with_config.facts and alone.facts["siglip"] == bool(siglip)


@pytest.mark.parametrize("size", SIZES)
def test_qwen3_of_every_published_size(size):
    width, inside, layers, heads = SIZES[size]
    config = Qwen3Config(
        hidden_size=width, intermediate_size=inside, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=8, max_position_embeddings=40960,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
    )  # fmt: skip
    with torch.device("meta"):
        whole = Qwen3ForCausalLM(config)
    form = qwens.recognise(seen(whole.state_dict()))
    assert form.layout == "transformers" and form.facts == {"width": width, "layers": layers}
    same_config(form, whole)
    assert Qwen3Config(**form.config).to_dict() == {**config.to_dict(), "architectures": None}
    assert qwens.recognise(seen(whole.state_dict()), config.to_dict()).config == config.to_dict()


@pytest.mark.parametrize("layout", ["transformers", "transformers_bare", "llama_cpp"])
def test_qwen3_in_every_naming(layout):
    network = language_model()
    own = network.state_dict()
    if layout == "llama_cpp":
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, network.config.num_hidden_layers)
        tensors = {names.get_name(f"model.{name}", try_suffixes=(".weight",)): tensor for name, tensor in own.items()}
    else:
        tensors = {("model." if layout == "transformers" else "") + name: tensor for name, tensor in own.items()}
    form = qwens.recognise(seen(tensors))
    assert form.layout == layout
    same_config(form, network)
    named = {
        "transformers": language_models.transformers,
        "transformers_bare": same,
        "llama_cpp": language_models.llama_cpp,
    }[layout]
    same_weights(network, tensors, named, form.config)


def test_relatives_are_none_of_them():
    with torch.device("meta"):
        moe = Qwen3MoeModel(Qwen3MoeConfig(hidden_size=64, num_hidden_layers=1, num_experts=4, head_dim=16))
        second = Qwen2Model(Qwen2Config(hidden_size=64, num_hidden_layers=1, num_attention_heads=4))
    qwen, z = language_model().state_dict(), tiny.renamed(transformer(), z_image.transformer)
    others = [
        moe.state_dict(),
        second.state_dict(),
        qwen | {"layers.0.pre_feedforward_layernorm.weight": torch.zeros(32)},
        qwen | {"visual.blocks.0.norm1.weight": torch.zeros(32)},
        qwen | {"layers.0.self_attn.q_norm.weight": torch.zeros(64)},
        # Packed in fours of bits.
        qwen | {"layers.0.self_attn.q_proj.weight": torch.zeros(64, 16, dtype=torch.uint8)},
        # Lumina 2 has no tokens for padding, and its modulation begins with an activation.
        {name: tensor for name, tensor in z.items() if "pad_token" not in name},
        {name.replace("adaLN_modulation.0", "adaLN_modulation.1"): tensor for name, tensor in z.items()},
        {f"control_{name}": tensor for name, tensor in z.items()},
        {},
    ]
    for tensors in others:
        assert qwens.recognise(seen(tensors)) is None and z_images.recognise(seen(tensors)) is None
