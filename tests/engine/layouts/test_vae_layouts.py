"""The autoencoders of Flux.2 and Qwen-Image: known, named in the list, read back, the same as diffusers reads them."""

import pytest
import torch
from diffusers import AutoencoderKLFlux2, AutoencoderKLQwenImage, AutoencoderKLWan
from diffusers.loaders import single_file_utils as theirs

from tests.engine import tiny
from tests.engine.layouts.test_layouts import same_config, same_weights, seen
from tests.engine.singles import write
from webui.core.model_folders import ModelFolders
from webui.engine.checkpoints.architectures import qwen_image_vae, vae
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.layouts import ldm, wan
from webui.engine.reading.cache import NetworkCache
from webui.plugins.resolve import resolve

LEVELS = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}


def flux2(decoder=(32, 64)):
    torch.manual_seed(0)
    network = AutoencoderKLFlux2(
        block_out_channels=[32, 64], decoder_block_out_channels=list(decoder), layers_per_block=1, latent_channels=8,
        **LEVELS,
    )  # fmt: skip
    network.bn.running_var.uniform_(0.5, 2.0)
    return network.eval()


def qwen_image(channels=3):
    torch.manual_seed(0)
    return AutoencoderKLQwenImage(base_dim=8, input_channels=channels).eval()


@pytest.mark.parametrize("decoder", [(32, 64), (32, 32)])
def test_flux2_in_the_original_naming(decoder):
    network = flux2(decoder)
    tensors = tiny.renamed(network, ldm.vae)
    form = vae.recognise_flux2(seen(tensors))
    same_config(form, network)
    same_weights(network, tensors, ldm.vae, form.config)
    assert vae.recognise(seen(tensors)) is None and vae.recognise_flux2(seen(tiny.renamed(tiny.vae(), ldm.vae))) is None
    converted = theirs.convert_ldm_vae_checkpoint(
        {f"first_stage_model.{name}": tensor for name, tensor in tensors.items()}, dict(network.config)
    )
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("bn.")}
    assert converted.keys() == own.keys() and all(torch.equal(converted[name], own[name]) for name in own)


@pytest.mark.parametrize("channels", [3, 4])
def test_qwen_image_in_wan_s_naming(channels):
    network = qwen_image(channels)
    tensors = tiny.renamed(network, wan.vae)
    assert {"conv1.bias", "decoder.upsamples.14.residual.6.weight", "encoder.downsamples.5.time_conv.bias"} <= {
        *tensors
    }
    form = qwen_image_vae.recognise(seen(tensors))
    assert form.layout == "original" and form.facts == {"latent_channels": 16, "in_channels": channels}
    same_config(form, network)
    same_weights(network, tensors, wan.vae, form.config)
    converted = theirs.convert_wan_vae_to_diffusers(dict(tensors))
    assert converted.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in converted.items())


def test_diffusers_naming_and_relatives():
    network = qwen_image()
    form = qwen_image_vae.recognise(seen(network.state_dict()))
    assert form.layout == "diffusers"
    same_config(form, network)
    assert qwen_image_vae.recognise(seen(network.state_dict()), dict(network.config)).config == dict(network.config)
    assert vae.recognise_flux2(seen(flux2().state_dict()), dict(flux2().config)).layout == "diffusers"
    with torch.device("meta"):
        later = AutoencoderKLWan(base_dim=8, decoder_base_dim=8, z_dim=48, is_residual=True, in_channels=12)
    for tensors in (later.state_dict(), tiny.vae().state_dict(), tiny.renamed(tiny.vae(), ldm.vae), {}):
        assert qwen_image_vae.recognise(seen(tensors)) is None


@pytest.mark.parametrize(
    ("name", "make", "layout"), [("flux2_kl", flux2, ldm.vae), ("qwen_image_kl", qwen_image, wan.vae)]
)
def test_files_of_them_are_listed_and_read(tmp_path, registry, name, make, layout):
    network = make()
    (tmp_path / "VAE").mkdir()
    write(tiny.renamed(network, layout), tmp_path / "VAE" / "a.safetensors")
    (file,) = Catalogue(ModelFolders((tmp_path / "Stable-diffusion",), vae=(tmp_path / "VAE",))).vaes()
    assert file.problem is None and [part.architecture for part in file.parts] == [name]
    reader = NetworkCache(registry, resolve, torch.device("cpu"), torch.float32)
    read = reader.network(file.parts[0]).state_dict()
    assert all(torch.equal(read[key], tensor) for key, tensor in network.state_dict().items())
