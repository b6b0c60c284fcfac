"""Files in other programs' naming: read back they are the same weights, and diffusers reads them the same way."""

import pytest
import torch
from diffusers.loaders import single_file_utils as theirs

from tests.engine import tiny
from webui.engine.checkpoints.architectures import clip as clips
from webui.engine.checkpoints.architectures import unet as unets
from webui.engine.checkpoints.architectures import vae as vaes
from webui.engine.checkpoints.architectures.base import Names
from webui.engine.checkpoints.headers.base import TensorInfo
from webui.engine.layouts import clip, ldm
from webui.engine.layouts.base import take

KINDS = ["sd1", "sd2", "sdxl", "sdxl-refiner"]


def seen(tensors, prefix=""):
    """A file's tensors as a recogniser sees them."""
    return Names({name: TensorInfo("F32", tuple(t.shape)) for name, t in tensors.items()}, prefix)


def same_config(form, network):
    """Each value that was read from the shapes is the network's own."""
    own = network.config.to_dict() if hasattr(network.config, "to_dict") else network.config
    for key, value in form.config.items():
        expected = own[key]
        expected = list(expected) if isinstance(expected, tuple) else expected
        if key == "transformer_layers_per_block" and expected == 1:
            expected = [1] * len(own["block_out_channels"])
        if key == "attention_head_dim" and isinstance(value, int):
            assert [expected] * 2 == [value, value]
            continue
        assert value == expected, key


def same_weights(network, tensors, layout, config):
    for name, parameter in network.state_dict().items():
        source = layout(name, config)
        assert torch.equal(take(tensors[source.name], source), parameter), name


@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_a_unet_in_the_original_naming(kind, channels):
    network = tiny.unet(kind, channels)
    tensors = tiny.renamed(network, ldm.unet, "model.diffusion_model.")
    form = unets.recognise(seen(tensors, "model.diffusion_model."))
    same_config(form, network)
    assert form.facts["in_channels"] == channels
    bare = {name.removeprefix("model.diffusion_model."): tensor for name, tensor in tensors.items()}
    same_weights(network, bare, ldm.unet, form.config)
    converted = theirs.convert_ldm_unet_checkpoint(dict(tensors), dict(network.config))
    assert converted.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in converted.items())


@pytest.mark.parametrize(("channels", "quant"), [(4, True), (16, False)])
def test_an_autoencoder_in_the_original_naming(channels, quant):
    network = tiny.vae(channels, quant=quant)
    tensors = tiny.renamed(network, ldm.vae, "first_stage_model.")
    form = vaes.recognise(seen(tensors, "first_stage_model."))
    same_config(form, network)
    bare = {name.removeprefix("first_stage_model."): tensor for name, tensor in tensors.items()}
    same_weights(network, bare, ldm.vae, form.config)
    converted = theirs.convert_ldm_vae_checkpoint(dict(tensors), dict(network.config))
    assert converted.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in converted.items())


@pytest.mark.parametrize("projection", [False, True])
@pytest.mark.parametrize(
    ("kind", "layout"), [("clip-l", "transformers"), ("clip-h", "open_clip"), ("clip-g", "open_clip")]
)
def test_a_text_encoder_in_its_programs_naming(kind, layout, projection):
    network = tiny.clip(kind, projection)
    tensors = tiny.renamed(network, getattr(clip, layout), "x.")
    form = clips.recognise(seen(tensors, "x."))
    assert form.layout == layout
    same_config(form, network)
    bare = {name.removeprefix("x."): tensor for name, tensor in tensors.items()}
    same_weights(network, bare, getattr(clip, layout), form.config)
    if layout == "open_clip":
        converted = theirs.convert_open_clip_checkpoint(network, dict(tensors), prefix="x.")
        own = {f"text_model.{name.removeprefix('text_model.')}": t for name, t in network.state_dict().items()}
        if projection:
            own["text_projection.weight"] = own.pop("text_model.text_projection.weight")
        assert converted.keys() == own.keys()
        assert all(torch.equal(tensor, own[name]) for name, tensor in converted.items())


def test_tensors_of_something_else_are_none_of_them():
    other = seen({"input_blocks.0.0.weight": torch.zeros(2, 2), "encoder.layers.0.a": torch.zeros(1)})
    assert unets.recognise(other) is vaes.recognise(other) is clips.recognise(other) is None
    assert unets.recognise(seen({})) is None
