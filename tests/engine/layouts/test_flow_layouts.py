"""SD3, Flux.1 and T5 in the naming of their own programs: known, read back, and the same as diffusers reads them."""

import gguf
import pytest
import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from diffusers.loaders import single_file_utils as theirs

from tests.engine import tiny
from tests.engine.layouts.test_layouts import same_config, same_weights, seen
from tests.engine.tiny_flow import flow, flux_transformer, sd3_transformer, t5_encoder
from webui.engine.checkpoints.architectures import clip as clips
from webui.engine.checkpoints.architectures import flux as fluxes
from webui.engine.checkpoints.architectures import sd3 as sd3s
from webui.engine.checkpoints.architectures import t5 as t5s
from webui.engine.checkpoints.architectures import unet as unets
from webui.engine.checkpoints.architectures import vae as vaes
from webui.engine.layouts import flux, sd3, t5

MAKERS = {
    "sd3": (SD3Transformer2DModel, sd3.transformer, sd3s, "convert_sd3_transformer_checkpoint_to_diffusers"),
    "flux": (FluxTransformer2DModel, flux.transformer, fluxes, "convert_flux_transformer_checkpoint_to_diffusers"),
}
MEDIUM = {"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "pos_embed_max_size": 192}
LATER = {"qk_norm": "rms_norm"}
PUBLISHED = {
    "sd3": ("sd3", MEDIUM),
    "sd35_medium": (
        "sd3", MEDIUM | LATER | {"pos_embed_max_size": 384, "dual_attention_layers": tuple(range(13))},
    ),
    "sd35_large": (
        "sd3", MEDIUM | LATER | {"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432},
    ),
    "flux-dev": ("flux", {"guidance_embeds": True, "out_channels": 64}),
    "flux-schnell": ("flux", {"guidance_embeds": False, "out_channels": 64}),
    "flux-fill": ("flux", {"guidance_embeds": True, "in_channels": 384, "out_channels": 64}),
    "flux-depth": ("flux", {"guidance_embeds": True, "in_channels": 128, "out_channels": 64}),
}  # fmt: skip
"""The configurations in the publishers' own diffusers folders, by diffusers' names for their single files."""


@pytest.mark.parametrize("prefix", ["model.diffusion_model.", ""])
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_sizes_are_known_and_diffusers_knows_our_files(name, prefix):
    kind, config = PUBLISHED[name]
    make, layout, recogniser, convert = MAKERS[kind]
    with torch.device("meta"):
        network = make(**({"joint_attention_dim": 4096} if kind == "sd3" else {}), **config)
    tensors = tiny.renamed(network, layout, prefix)
    assert theirs.infer_diffusers_model_type(tensors) == name
    form = recogniser.recognise(seen(tensors, prefix))
    same_config(form, network)
    converted = getattr(theirs, convert)(dict(tensors))
    assert {n: t.shape for n, t in converted.items()} == {n: t.shape for n, t in network.state_dict().items()}
    assert {prefix + name for name in PUBLISHED_NAMES[kind]} <= tensors.keys()


PUBLISHED_NAMES = {
    "sd3": (
        "pos_embed", "x_embedder.proj.weight", "t_embedder.mlp.2.bias", "y_embedder.mlp.0.weight",
        "context_embedder.bias", "joint_blocks.0.x_block.attn.qkv.weight", "joint_blocks.0.context_block.mlp.fc2.bias",
        "joint_blocks.23.context_block.adaLN_modulation.1.weight", "final_layer.adaLN_modulation.1.bias",
    ),
    "flux": (
        "img_in.weight", "txt_in.bias", "time_in.in_layer.weight", "vector_in.out_layer.bias",
        "double_blocks.18.img_attn.norm.key_norm.scale", "double_blocks.0.txt_mod.lin.weight",
        "single_blocks.37.linear1.weight", "single_blocks.0.norm.query_norm.scale", "final_layer.linear.bias",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["sd3", "sd3.5", "flux-dev", "flux-schnell"])
def test_a_transformer_in_the_original_naming(kind, monkeypatch):
    name = kind.partition("-")[0].removesuffix(".5")
    _, layout, recogniser, convert = MAKERS[name]
    network = sd3_transformer(kind) if name == "sd3" else flux_transformer(kind)
    tensors = tiny.renamed(network, layout)
    form = recogniser.recognise(seen(tensors))
    assert form.layout == "original"
    same_config(form, network)
    same_weights(network, tensors, layout, form.config)
    if name == "flux":
        # Their converter knows the published width alone.
        split, width = torch.split, network.inner_dim
        monkeypatch.setattr(
            theirs.torch, "split", lambda t, sizes, dim=0: split(t, [size * width // 3072 for size in sizes], dim)
        )
    converted = getattr(theirs, convert)(dict(tensors))
    assert converted.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, network.state_dict()[key]) for key, tensor in converted.items())


@pytest.mark.parametrize("kind", ["sd3.5", "flux-dev"])
def test_a_transformer_in_diffusers_naming(kind):
    recogniser = sd3s if kind == "sd3.5" else fluxes
    network = sd3_transformer(kind) if kind == "sd3.5" else flux_transformer(kind)
    names = seen(network.state_dict())
    alone, with_config = recogniser.recognise(names), recogniser.recognise(names, dict(network.config))
    assert alone.layout == with_config.layout == "diffusers"
    same_config(alone, network)
    assert alone.facts == with_config.facts


@pytest.mark.parametrize("gated", [True, False])
def test_t5_in_transformers_naming(gated):
    network = t5_encoder(gated=gated)
    # What diffusers finds in a single file of SD3's, under the names of the whole.
    tensors = {f"text_encoders.t5xxl.transformer.{n}": t for n, t in network.state_dict().items()}
    assert theirs.is_t5_in_single_file(tensors)
    bare = theirs.convert_sd3_t5_checkpoint_to_diffusers(tensors)
    form = t5s.recognise(seen(bare))
    assert form.facts == {"width": network.config.d_model}
    same_config(form, network)
    same_weights(network.encoder, bare, t5.transformers, form.config)
    assert t5s.recognise(seen(bare), network.config.to_dict()).layout == "transformers"


@pytest.mark.parametrize("gated", [True, False])
def test_t5_in_llama_cpp_s_naming(gated):
    network = t5_encoder(gated=gated)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5ENCODER, network.config.num_layers)
    own = {name: tensor for name, tensor in network.state_dict().items() if name != "encoder.embed_tokens.weight"}
    tensors = {names.get_name(name, try_suffixes=(".weight",)): tensor for name, tensor in own.items()}
    form = t5s.recognise(seen(tensors))
    assert form.layout == "llama_cpp"
    same_config(form, network)
    same_weights(network.encoder, tensors, t5.llama_cpp, form.config)


def test_relatives_are_none_of_them():
    dev = tiny.renamed(flux_transformer(), flux.transformer)
    # Chroma has no vector of a text, Flux.2 no modulation in its blocks.
    chroma = {n: t for n, t in dev.items() if not n.startswith(("vector_in", "time_in"))}
    second = {n: t for n, t in dev.items() if "_mod." not in n}
    umt5 = t5_encoder().state_dict()
    distances = "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias.weight"
    umt5[distances.format(1)] = umt5[distances.format(0)]
    for tensors in (chroma, second, umt5, {}):
        assert all(kind.recognise(seen(tensors)) is None for kind in (sd3s, fluxes, t5s, unets, vaes, clips))


@pytest.mark.parametrize("kind", ["sd3.5", "flux-dev"])
def test_each_network_of_a_single_file_is_known_as_one_kind(kind):
    model = flow(kind)
    recognisers = {"transformer": sd3s if kind == "sd3.5" else fluxes, "vae": vaes, "text": clips}
    for name, part in model.parts.items():
        names = seen(tiny.renamed(part.network, part.layout))
        expected = t5s if "t5xxl" in part.prefix else recognisers[name.partition("_")[0]]
        known = [kind for kind in (sd3s, fluxes, t5s, unets, vaes, clips) if kind.recognise(names) is not None]
        assert known == [expected]
