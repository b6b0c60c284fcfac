"""How weights lie in memory: channels last, and projections in one; pictures differ by rounding alone."""

import pytest
import torch
from torch import nn

from tests.engine import singles
from tests.engine.helpers import pixels, running
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.chosen import kept_in
from webui.engine.reading.cache import NetworkCache, PlacedReader
from webui.engine.reading.kept import FP8, KeptTensor, size_of
from webui.plugins.resolve import resolve

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny SDXL model as a file."""
    place = tmp_path_factory.mktemp("layouts") / "xl.safetensors"
    singles.write(singles.sd("sdxl").tensors(), place)
    return Catalogue((place.parent,)).get("xl")


def unet_of(checkpoint, registry, **options):
    """The UNet, read with these options."""
    cache = NetworkCache(registry, resolve, CPU, torch.float32, **options)
    part = next(part for part in checkpoint.parts.values() if part.role == "denoiser")
    return PlacedReader(cache).network(part)


def layers_of(network):
    """Its layers of attention, by name."""
    return {name: module for name, module in network.named_modules() if hasattr(module, "fused_projections")}


@pytest.mark.parametrize("last", [True, False])
def test_channels_lie_side_by_side_in_weights_and_so_in_what_convolutions_answer(checkpoint, registry, last):
    unet = unet_of(checkpoint, registry, channels_last=last)
    convolutions = [m for m in unet.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    answered = []
    for module in convolutions:
        module.register_forward_hook(lambda _, given, answer: answered.append(answer))
    added = {"text_embeds": torch.randn(2, 32), "time_ids": torch.zeros(2, 6)}
    wide = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    added["text_embeds"] = torch.randn(2, wide)
    with torch.inference_mode():
        states = torch.randn(2, 7, unet.config.cross_attention_dim)
        unet(torch.randn(2, 4, 16, 24), 5, encoder_hidden_states=states, added_cond_kwargs=added)
    assert len(answered) == len(convolutions)
    form = torch.channels_last if last else torch.contiguous_format
    assert all(module.weight.is_contiguous(memory_format=form) for module in convolutions)
    assert all(answer.is_contiguous(memory_format=form) for answer in answered)


def test_projections_are_one_and_no_weight_is_held_twice(checkpoint, registry):
    plain, fused = (unet_of(checkpoint, registry, fused=on) for on in (False, True))
    layers = layers_of(fused)
    assert layers and size_of(fused.parameters()) == size_of(plain.parameters())
    for name, layer in layers.items():
        own = layers_of(plain)[name]
        assert not hasattr(layer, "to_k") and not hasattr(layer, "to_v")
        if own.is_cross_attention:
            assert torch.equal(layer.to_kv.weight, torch.cat([own.to_k.weight, own.to_v.weight]))
        else:
            assert not hasattr(layer, "to_q")
            parts = own.to_q.weight, own.to_k.weight, own.to_v.weight
            assert torch.equal(layer.to_qkv.weight, torch.cat(parts))


def test_what_is_kept_in_8_bits_stays_so(checkpoint, registry):
    kept = kept_in(checkpoint, {"denoiser": "fp8"})
    plain, fused = (unet_of(kept, registry, fused=on) for on in (False, True))
    assert size_of(fused.parameters()) == size_of(plain.parameters())
    layer = next(iter(layers_of(fused).values()))
    weight = layer.to_qkv.weight
    assert isinstance(weight, KeptTensor) and weight.kept.dtype == FP8
    own = next(iter(layers_of(plain).values()))
    assert torch.equal(
        weight.wide(), torch.cat([own.to_q.weight.wide(), own.to_k.weight.wide(), own.to_v.weight.wide()])
    )


def test_pipelines_of_diffusers_get_what_their_processors_know(checkpoint, registry):
    cache = NetworkCache(registry, resolve, CPU, torch.float32, fused=True)
    part = next(part for part in checkpoint.parts.values() if part.role == "denoiser")
    own, theirs = PlacedReader(cache).network(part), PlacedReader(cache, in_one_type=True).network(part)
    assert all(layer.fused_projections for layer in layers_of(own).values())
    assert not any(layer.fused_projections for layer in layers_of(theirs).values())


@pytest.mark.parametrize("options", [{"channels_last": True}, {"fuse_qkv_projections": True}], ids=str)
@pytest.mark.parametrize("attention", ["sdpa", "math"])
def test_pictures_differ_by_rounding_alone(tiny_checkpoint, registry, plugins, ask, options, attention):
    made = []
    for chosen in ({}, options):
        with running(tiny_checkpoint.parent, registry, plugins, **chosen) as bench:
            (pictures,) = bench.make(ask(seed=3, batch_size=2, attention=attention, token_merging_ratio=0.5))
            made.append([pixels(picture) for _, picture in sorted(pictures.items())])
    assert max(abs(a - b).max() for a, b in zip(*made, strict=True)) <= 1
