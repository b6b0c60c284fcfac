"""Small decoders for previews: read in each form that people have, and done without where there is none."""

import logging

import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

from tests.engine.helpers import Bench
from webui.core.events import Preview
from webui.core.model_folders import ModelFolders, comfy, inside_models
from webui.engine.config import EngineConfig
from webui.engine.tiny_decoders import TinyDecoders

NAMES = {"sd1": "taesd", "flux": "taef1"}


def network(channels=4, seed=0):
    torch.manual_seed(seed)
    return AutoencoderTiny(latent_channels=channels).eval()


def original(made):
    """The decoder's tensors as madebyollin/taesd's files name them: by their place behind the clamp."""
    names = made.decoder.layers.state_dict()
    return {f"{int(n.split('.')[0]) + 1}.{n.split('.', 1)[1]}": tensor for n, tensor in names.items()}


def decoders(folder, **options):
    return TinyDecoders((folder,), options.pop("names", NAMES), torch.device("cpu"), torch.float32)


def put(made, folder, form):
    if form == "folder":
        made.save_pretrained(folder / "taesd")
    elif form == "diffusers":
        save_file(made.state_dict(), folder / "taesd.safetensors")
    elif form == "pth":
        torch.save(original(made), folder / "taesd_decoder.pth")
    else:
        save_file(original(made), folder / "taesd_decoder.safetensors")


@torch.inference_mode()
@pytest.mark.parametrize("form", ["safetensors", "pth", "diffusers", "folder"])
def test_each_form_decodes_as_the_library_does(tmp_path, form):
    made = network()
    put(made, tmp_path, form)
    latents = torch.randn(2, 4, 8, 8)
    mine = decoders(tmp_path).of("sd1").decode(latents)
    theirs = (made.decode(latents).sample / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255
    assert mine.shape == (2, 64, 64, 3) and theirs.std() > 1
    assert (mine - theirs).abs().max() <= 0.51


def test_the_decoder_is_the_family_s_and_is_read_once(tmp_path):
    put(network(), tmp_path, "safetensors")
    save_file(original(network(16)), tmp_path / "taef1_decoder.safetensors")
    found = decoders(tmp_path)
    assert found.of("flux").decode(torch.zeros(1, 16, 4, 4)).shape == (1, 32, 32, 3)
    assert found.of("sd1") is found.of("sd1") is not found.of("flux")
    assert found.of("stock") is None


@pytest.mark.parametrize("damage", ["none", "cut", "other"])
def test_without_one_it_is_said_once_why(tmp_path, caplog, damage):
    path = tmp_path / "taesd_decoder.safetensors"
    if damage != "none":
        save_file(original(network()) if damage == "cut" else {"a": torch.zeros(2)}, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    found = decoders(tmp_path)
    with caplog.at_level(logging.INFO):
        assert [found.of("sd1"), found.of("sd1")] == [None, None]
    [said] = caplog.messages
    assert "taesd_decoder.safetensors" in said and said.endswith("are made by the model's own VAE.")


def test_a111_s_and_comfy_s_folders_are_looked_into(tmp_path):
    assert tmp_path / "models" / "vae_approx" in comfy(tmp_path).vae_approx
    both = inside_models(tmp_path) + comfy(tmp_path)
    assert both.vae_approx[0] == tmp_path / "VAE-approx" and len(both.vae_approx) == 3


@pytest.mark.parametrize("kind", ["Full", "TAESD"])
def test_an_engine_s_previews_go_through_it_when_that_is_asked_for(
    tmp_path, tiny_checkpoint, registry, plugins, ask, kind
):
    grey = network()
    with torch.no_grad():
        for parameter in grey.parameters():
            parameter.zero_()
    put(grey, tmp_path, "safetensors")
    folders = ModelFolders((tiny_checkpoint.parent,), vae_approx=(tmp_path,))
    bench = Bench(EngineConfig(folders, device="cpu", preview_type=kind), registry, plugins)
    try:
        bench.engine.submit("a", ask(checkpoint=tiny_checkpoint.name, steps=30))
        bench.engine.previews("a", True)
        bench.heard.end("a")
        shown = bench.heard.of("a", Preview)
    finally:
        bench.gate.release()
        bench.engine.close()
    # A decoder of zeros shows black.
    sizes = {len(preview.data) for preview in shown}
    assert shown and (max(sizes) < 900) == (kind == "TAESD")
