"""Lumina 2's, Chroma's and Gemma 2's namings: known in their published sizes, as diffusers and llama.cpp read them."""

import diffusers
import gguf
import pytest
import torch
import transformers
from diffusers.loaders import single_file_utils as theirs

from tests.engine import tiny, tiny_parts, tiny_z_image
from tests.engine.layouts.test_layouts import same_config, same_weights, seen
from tests.engine.singles import write
from webui.engine.checkpoints.architectures import chroma as chromas
from webui.engine.checkpoints.architectures import flux as fluxes
from webui.engine.checkpoints.architectures import flux2 as seconds
from webui.engine.checkpoints.architectures import gemma2 as gemmas
from webui.engine.checkpoints.architectures import lumina2 as luminas
from webui.engine.checkpoints.architectures import mistral, qwen3, qwen_vl
from webui.engine.checkpoints.architectures import z_image as z_images
from webui.engine.layouts import chroma, flux, language_models, lumina2, z_image
from webui.engine.layouts.base import give, same
from webui.engine.reading.modules import build, fill
from webui.engine.reading.weights import open_weights

PUBLISHED = {
    "lumina2": (
        diffusers.Lumina2Transformer2DModel, {"cap_feat_dim": 2304, "out_channels": 16}, lumina2.transformer, luminas,
        theirs.convert_lumina2_to_diffusers,
        (
            "x_embedder.bias", "cap_embedder.0.weight", "cap_embedder.1.bias", "t_embedder.mlp.2.weight",
            "noise_refiner.1.adaLN_modulation.1.bias", "context_refiner.1.attention_norm1.weight",
            "layers.25.attention.qkv.weight", "layers.0.attention.k_norm.weight", "layers.0.attention.out.weight",
            "layers.0.feed_forward.w3.weight", "final_layer.adaLN_modulation.1.weight", "final_layer.linear.bias",
        ),
    ),
    "chroma": (
        diffusers.ChromaTransformer2DModel, {"out_channels": 64}, chroma.transformer, chromas,
        theirs.convert_chroma_transformer_checkpoint_to_diffusers,
        (
            "distilled_guidance_layer.in_proj.weight", "distilled_guidance_layer.layers.4.out_layer.bias",
            "distilled_guidance_layer.norms.0.scale", "img_in.bias", "txt_in.weight",
            "double_blocks.18.txt_attn.norm.key_norm.scale", "single_blocks.37.linear1.bias",
            "final_layer.linear.weight",
        ),
    ),
}  # fmt: skip
"""Class, what is not its default, naming, recogniser, diffusers' converter, and names in the published file."""


@pytest.mark.parametrize("prefix", ["model.diffusion_model.", ""])
@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_published_size_is_known_and_diffusers_reads_the_same_tensors(kind, prefix):
    make, options, layout, recogniser, convert, names = PUBLISHED[kind]
    with torch.device("meta"):
        network = make(**options)
    assert {prefix + name for name in names} <= tiny.renamed(network, layout, prefix).keys()
    form = recogniser.recognise(seen(tiny.renamed(network, layout, prefix), prefix))
    assert form.layout == "original"
    same_config(form, network)
    # One column of each matrix tells as well which of its rows go where.
    generator = torch.Generator().manual_seed(0)
    narrow = {
        name: torch.rand(tensor.shape[0], *([1] * (tensor.dim() - 1)), generator=generator)
        for name, tensor in network.state_dict().items()
    }
    converted = convert(give((layout(name, form.config), tensor) for name, tensor in narrow.items()))
    assert converted.keys() == narrow.keys()
    assert all(torch.equal(tensor, narrow[name]) for name, tensor in converted.items())


@pytest.mark.parametrize("kind", PUBLISHED)
def test_a_transformer_in_diffusers_naming(kind):
    make, options, _, recogniser, *_ = PUBLISHED[kind]
    with torch.device("meta"):
        network = make(num_layers=1, **options)
    names = seen(network.state_dict())
    alone, with_config = recogniser.recognise(names), recogniser.recognise(names, dict(network.config))
    assert alone.layout == with_config.layout == "diffusers" and alone.facts == with_config.facts
    same_config(alone, network)


def test_kin_is_told_apart():
    with torch.device("meta"):
        own = {
            kind: tiny.renamed(make(**options, num_layers=1), layout)
            for kind, (make, options, layout, *_) in PUBLISHED.items()
        }
        first = tiny.renamed(diffusers.FluxTransformer2DModel(num_layers=1, num_single_layers=1), flux.transformer)
        z = tiny.renamed(tiny_z_image.transformer(), z_image.transformer)
    assert all(one.recognise(seen(own["lumina2"])) is None for one in (z_images, chromas, fluxes))
    assert all(one.recognise(seen(own["chroma"])) is None for one in (fluxes, seconds, luminas))
    assert all(one.recognise(seen(tensors)) is None for one in (luminas, chromas) for tensors in (z, first, {}))
    # NewBie's has a second text, Chroma Radiance makes pixels.
    newbie = own["lumina2"] | {"clip_text_pooled_proj.0.weight": torch.zeros(1024)}
    radiance = {name: tensor for name, tensor in own["chroma"].items() if not name.startswith("img_in.")}
    assert luminas.recognise(seen(newbie)) is None and chromas.recognise(seen(radiance)) is None


@pytest.mark.parametrize("layout", ["transformers", "transformers_bare", "llama_cpp"])
def test_gemma_in_every_naming(layout):
    network = tiny_parts.gemma()
    own = network.state_dict()
    if layout == "llama_cpp":
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA2, network.config.num_hidden_layers)
        # Its converter adds to the norms the 1 that Gemma adds when it computes.
        tensors = {
            names.get_name(f"model.{name}", try_suffixes=(".weight",)): t + 1 if name.endswith("norm.weight") else t
            for name, t in own.items()
        }
    else:
        tensors = {("model." if layout == "transformers" else "") + name: tensor for name, tensor in own.items()}
    form = gemmas.recognise(seen(tensors))
    assert form.layout == layout and form.facts == {"width": tiny_parts.WIDTH, "layers": 3}
    assert transformers.Gemma2Config(**form.config).to_dict() == {**network.config.to_dict(), "dtype": None}
    named = {
        "transformers": language_models.transformers,
        "transformers_bare": same,
        "llama_cpp": language_models.llama_cpp_gemma2,
    }
    if layout == "llama_cpp":
        assert {name for name, t in give((named[layout](n, {}), t) for n, t in own.items()).items()} == tensors.keys()
    else:
        same_weights(network, tensors, named[layout], form.config)
    assert all(one.recognise(seen(tensors)) is None for one in (mistral, qwen3, qwen_vl))
    gemma3 = {
        "transformers": "model.layers.0.self_attn.q_norm.weight",
        "transformers_bare": "layers.0.self_attn.q_norm.weight",
        "llama_cpp": "blk.0.attn_q_norm.weight",
    }[layout]
    assert gemmas.recognise(seen(tensors | {gemma3: torch.zeros(256)})) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norms_that_a_file_has_larger_by_one_lose_nothing(tmp_path, dtype):
    network = tiny_parts.gemma()
    for name, parameter in network.named_parameters():
        if name.endswith("norm.weight"):
            # As the published ones: numbers of 16 bits, of which some are small.
            parameter.data = (parameter.data / 16).bfloat16().float()
    path = write(tiny.renamed(network, language_models.llama_cpp_gemma2), tmp_path / "gemma.gguf")
    config = gemmas.recognise(seen(tiny.renamed(network, language_models.llama_cpp_gemma2))).config
    read = build(lambda: transformers.Gemma2Model(transformers.Gemma2Config(**config)))
    with open_weights(path) as weights:
        fill(read, weights, language_models.llama_cpp_gemma2, config, device=torch.device("cpu"), dtype=dtype)
    for name, tensor in read.state_dict().items():
        assert tensor.dtype == dtype
        assert torch.allclose(tensor.float(), network.state_dict()[name].to(dtype).float(), rtol=0, atol=1e-7), name
