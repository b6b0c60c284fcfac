"""Adapters of every family in every naming that files have: each changes the weights that it names, and no others."""

import copy
from types import SimpleNamespace

import pytest
import torch

from tests.engine import tiny, tiny_flow, tiny_z_image
from tests.engine.adapters.made import as_kohya, as_old_diffusers, as_peft, lora, write
from webui.core.errors import ModelProblem
from webui.engine.adapters.facts import facts_of
from webui.engine.adapters.fitting import Wanted, fit
from webui.engine.adapters.merging import Merged, Merging
from webui.engine.adapters.places import Atlas
from webui.engine.adapters.weights import read_adapter
from webui.engine.layouts import clip, flux, ldm, sd3, t5, z_image
from webui.engine.layouts.base import same
from webui.engine.reading.fused import fuse_projections
from webui.plugins.resolve import resolve

ATTENTION = "down_blocks.1.attentions.0.transformer_blocks.0."


def as_bare(module, part):
    """The naming of trainers of flow models: the original's names with dots."""
    return as_peft("diffusion_model")(module, part)


# family: naming of the file: (what the names are of, how they are spelled, modules by the file's name)
UNETS = {
    "sd1": [
        (same, as_kohya("lora_unet"), [f"{ATTENTION}attn1.to_q", f"{ATTENTION}attn2.to_k", f"{ATTENTION}ff.net.0.proj",
         f"{ATTENTION}attn2.to_out.0", "down_blocks.1.attentions.0.proj_in", "down_blocks.0.resnets.0.conv1",
         "mid_block.resnets.0.time_emb_proj", "up_blocks.1.upsamplers.0.conv", "down_blocks.0.downsamplers.0.conv"]),
        (same, as_peft("unet"), [f"{ATTENTION}attn1.to_q", f"{ATTENTION}attn2.to_out.0"]),
        (same, as_old_diffusers("unet"), [f"{ATTENTION}attn1.to_q"]),
        (same, as_kohya("lycoris"), [f"{ATTENTION}attn1.to_v"]),
        (same, as_peft("base_model.model"), [f"{ATTENTION}attn1.to_v"]),
    ],
    "sdxl": [
        (ldm.unet, as_kohya("lora_unet"), ["input_blocks.4.1.transformer_blocks.0.attn1.to_q", "middle_block.1.proj_in",
         "input_blocks.3.0.op", "output_blocks.2.2.conv", "middle_block.0.in_layers.2", "label_emb.0.0"]),
        (same, as_kohya("lora_unet"), [f"{ATTENTION}attn2.to_k"]),
        (same, as_peft("unet"), [f"{ATTENTION}attn2.to_k", "mid_block.resnets.1.conv2"]),
    ],
}  # fmt: skip
UNETS["sd2"] = UNETS["sd1"]
FLOWS = {
    "flux-dev": [
        (flux.transformer, as_kohya("lora_unet"), ["double_blocks.0.img_attn.qkv", "double_blocks.0.txt_mlp.2",
         "single_blocks.0.linear1", "single_blocks.1.linear2", "double_blocks.0.img_mod.lin",
         "final_layer.adaLN_modulation.1"]),
        (flux.transformer, as_bare, ["double_blocks.0.txt_attn.qkv", "single_blocks.0.modulation.lin"]),
        (same, as_peft("transformer"), ["single_transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.add_k_proj",
         "single_transformer_blocks.0.proj_mlp", "norm_out.linear"]),
        (same, as_kohya("lora_transformer"), ["transformer_blocks.0.attn.to_q",
         "single_transformer_blocks.1.norm.linear"]),
    ],
    "sd3": [
        (sd3.transformer, as_kohya("lora_unet"), ["joint_blocks.0.x_block.attn.qkv",
         "joint_blocks.0.context_block.mlp.fc1", "joint_blocks.1.context_block.adaLN_modulation.1"]),
        (same, as_peft("transformer"), ["transformer_blocks.0.attn.add_v_proj", "transformer_blocks.1.attn.to_q"]),
    ],
    "z-image": [
        (z_image.transformer, as_bare, ["layers.0.attention.qkv", "layers.1.attention.out"]),
        (same, as_peft("transformer"), ["layers.0.attention.to_q"]),
    ],
}  # fmt: skip
CASES = [
    (family, number) for family, namings in {**UNETS, **FLOWS}.items() for number in range(len(namings))
]  # fmt: skip


def denoiser(family):
    if family in UNETS:
        return tiny.unet(family)
    return tiny_z_image.transformer() if family == "z-image" else tiny_flow.flow(family)["transformer"]


@pytest.fixture(scope="module")
def denoisers():
    """Each family's tiny denoiser, made once; whoever changes it puts it back."""
    made = {}
    return lambda family: made.setdefault(family, denoiser(family))


@pytest.fixture(scope="module")
def atlas(registry):
    return Atlas(registry.architectures, resolve)


def named(network, layout):
    """The network's tensors as files of this naming have them."""
    return {name: tensor.clone() for name, tensor in tiny.renamed(network, layout).items()}


def merge(tmp_path, atlas, tensors, networks, te=1.0, key="made"):
    path = write(tmp_path / "made.safetensors", tensors)
    model = SimpleNamespace(networks=networks, denoiser=networks[0])
    made, notes = fit(model, [Wanted(read_adapter(path, key, "made"), te=te)], atlas)
    return made, notes, facts_of(path)


@pytest.mark.parametrize(("family", "number"), CASES)
def test_each_naming_finds_its_weights(family, number, denoisers, atlas, tmp_path):
    network = denoisers(family)
    layout, naming, modules = {**UNETS, **FLOWS}[family][number]
    before = named(network, layout)
    tensors, deltas = lora({name: before[f"{name}.weight"].shape for name in modules}, naming)
    adapters, notes, facts = merge(tmp_path, atlas, tensors, (network,))
    assert not notes and facts.modules == len(modules)
    merging = Merging()
    merging.hold(network, adapters.denoiser)
    after = named(network, layout)
    for name, tensor in before.items():
        expected = tensor + deltas[name.removesuffix(".weight")] if name.removesuffix(".weight") in deltas else tensor
        torch.testing.assert_close(after[name], expected)
    merging.hold(network, None)
    assert all(torch.equal(tensor, before[name]) for name, tensor in named(network, layout).items())


@pytest.mark.parametrize(
    ("family", "architecture"), [("sd1", "unet"), ("sdxl", "unet"), ("flux-dev", "flux"), ("sd3", "sd3")]
)
def test_the_header_tells_what_it_is_for(family, architecture, denoisers, tmp_path):
    network = denoisers(family)
    for layout, naming, modules in {**UNETS, **FLOWS}[family]:
        shapes = named(network, layout)
        tensors, _ = lora({name: shapes[f"{name}.weight"].shape for name in modules}, naming)
        found = facts_of(write(tmp_path / "made.safetensors", tensors, {"ss_output_name": "Blue hour"}))
        assert (found.architecture, found.alias) == (architecture, "Blue hour")
        texts = [name for name in modules if name.endswith("attn2.to_k")]
        assert found.context_width == (shapes[f"{texts[0]}.weight"].shape[1] if texts else 0)


def test_dora_of_a_joined_tensor_measures_the_whole_of_it(denoisers, atlas, tmp_path):
    network = denoisers("flux-dev")
    name = "double_blocks.0.img_attn.qkv"
    before = named(network, flux.transformer)[f"{name}.weight"]
    tensors, deltas = lora({name: before.shape}, as_kohya("lora_unet"))
    magnitude = torch.rand(1, before.shape[1]) + 0.5
    tensors[as_kohya("lora_unet")(name, "dora_scale")] = magnitude
    adapters, _, _ = merge(tmp_path, atlas, tensors, (network,))
    merging = Merging()
    merging.hold(network, adapters.denoiser)
    whole = before + deltas[name]
    after = named(network, flux.transformer)[f"{name}.weight"]
    torch.testing.assert_close(after, whole / whole.norm(dim=0, keepdim=True) * magnitude)
    merging.hold(network, None)


def test_a_joined_tensor_is_taken_from_wherever_its_originals_wait(denoisers, atlas, tmp_path, monkeypatch):
    # Tensors without numbers stand for a card's: they cannot be joined to those in RAM either.
    network = copy.deepcopy(denoisers("flux-dev")).to("meta")
    monkeypatch.setattr(Merged, "_keeper", lambda merged, changed: lambda tensor: torch.zeros(tensor.shape))
    merging = Merging()
    part, whole = "transformer_blocks.0.attn.to_q", "double_blocks.0.img_attn.qkv"
    shape = network.get_submodule(part).weight.shape
    tensors, _ = lora({part: shape}, as_peft("transformer"), "LoRA without alpha")
    merging.hold(network, merge(tmp_path, atlas, tensors, (network,))[0].denoiser)
    tensors, _ = lora({whole: (3 * shape[0], shape[1])}, as_kohya("lora_unet"), "LoRA without alpha")
    tensors[as_kohya("lora_unet")(whole, "dora_scale")] = torch.ones(1, shape[1])
    merging.hold(network, merge(tmp_path, atlas, tensors, (network,), key="joined")[0].denoiser)
    merging.hold(network, None)
    assert merging.key_of(network) == () and all(one.is_meta for one in network.parameters())


def test_fused_projections_take_what_is_for_their_parts(atlas, tmp_path):
    network = tiny.unet("sd1")
    names = [f"{ATTENTION}attn1.to_k", f"{ATTENTION}attn2.to_v"]
    tensors, deltas = lora({name: network.get_submodule(name).weight.shape for name in names}, as_kohya("lora_unet"))
    plain = {name: network.get_submodule(name).weight.detach().clone() for name in names}
    fuse_projections(network)
    adapters, notes, _ = merge(tmp_path, atlas, tensors, (network,))
    merging = Merging()
    merging.hold(network, adapters.denoiser)
    assert not notes
    _, key, _ = network.get_submodule(f"{ATTENTION}attn1.to_qkv").weight.chunk(3)
    _, value = network.get_submodule(f"{ATTENTION}attn2.to_kv").weight.chunk(2)
    for found, name in ((key, names[0]), (value, names[1])):
        torch.testing.assert_close(found.detach(), plain[name] + deltas[name])


TEXTS = {
    "sd1": [("lora_te", "clip-l", "te1"), ("text_encoder", "clip-l", "te1")],
    "sdxl": [("lora_te1", "clip-l", "te1"), ("lora_te2", "clip-g", "te2"), ("text_encoder_2", "clip-g", "te2")],
    "flux": [("lora_te1", "clip-l", "te1"), ("lora_te3", "t5", "te2"), ("text_encoder_2", "t5", "te2")],
}


@pytest.mark.parametrize(("family", "number"), [(f, n) for f, many in TEXTS.items() for n in range(len(many))])
def test_text_encoders_get_their_part_alone(family, number, denoisers, atlas, tmp_path):
    prefix, kind, which = TEXTS[family][number]
    small, large = tiny.clip(), tiny_flow.t5_encoder().encoder if family == "flux" else tiny.clip("clip-g", True)
    texts = (small,) if family == "sd1" else (small, large)
    unet = denoisers("sd1")
    network = {"te1": small, "te2": large}[which]
    layout = t5.transformers if kind == "t5" else clip.transformers
    module = "encoder.block.0.layer.0.SelfAttention.q" if kind == "t5" else "text_model.encoder.layers.1.mlp.fc1"
    naming = as_kohya(prefix) if prefix.startswith("lora") else as_peft(prefix)
    before, others = named(network, layout), [copy.deepcopy(one.state_dict()) for one in texts if one is not network]
    tensors, deltas = lora({module: before[f"{module}.weight"].shape}, naming)
    adapters, _, _ = merge(tmp_path, atlas, tensors, (unet, *texts), te=0.5)
    assert adapters.key == () and adapters.denoiser is None
    merging = Merging()
    with merging.texts((unet, *texts), adapters) as apply:
        assert merging.key_of(network) == ()
        apply()
        after = named(network, layout)
        torch.testing.assert_close(after[f"{module}.weight"], before[f"{module}.weight"] + 0.5 * deltas[module])
        assert all(torch.equal(after[name], before[name]) for name in before if name != f"{module}.weight")
        for one, state in zip((one for one in texts if one is not network), others, strict=True):
            assert all(torch.equal(tensor, state[name]) for name, tensor in one.state_dict().items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in named(network, layout).items())


def test_what_has_no_place_is_said_and_what_is_for_another_model_is_refused(denoisers, atlas, tmp_path):
    network = denoisers("sd1")
    shape = network.get_submodule(f"{ATTENTION}attn1.to_q").weight.shape
    tensors, _ = lora({f"{ATTENTION}attn1.to_q": shape, "elsewhere.to_q": shape}, as_kohya("lora_unet"))
    _, notes, _ = merge(tmp_path, atlas, tensors, (network,))
    assert notes == ["1 of the 2 parts of made have no place here."]
    tensors, _ = lora({"elsewhere.to_q": shape}, as_kohya("lora_unet"))
    with pytest.raises(ModelProblem, match="The LoRA made is for another kind of model: nothing of it has a place"):
        merge(tmp_path, atlas, tensors, (network,))
    tensors, _ = lora({f"{ATTENTION}attn2.to_k": (shape[0], 3 * shape[1])}, as_kohya("lora_unet"))
    with pytest.raises(ModelProblem, match=r"another kind of model: lora_unet_down_blocks_1.* numbers there and"):
        merge(tmp_path, atlas, tensors, (network,))
