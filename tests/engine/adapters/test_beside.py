"""Adapters beside a network: its layers give what merged weights give, row for row, and jobs share their passes."""

import copy
from types import SimpleNamespace

import pytest
import torch

from tests.engine import tiny
from tests.engine.adapters.made import as_kohya, as_peft, lora, write
from tests.engine.adapters.test_places import ATTENTION, CASES, FLOWS, UNETS, denoiser, named
from webui.engine.adapters.beside import Beside, RowsMixed, fits_beside
from webui.engine.adapters.fitting import Wanted, fit
from webui.engine.adapters.merging import Merging
from webui.engine.adapters.places import Atlas
from webui.engine.adapters.weights import read_adapter
from webui.engine.reading.fused import fuse_projections
from webui.plugins.resolve import resolve

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def denoisers():
    """Each family's tiny denoiser, made once; whoever changes it puts it back."""
    made = {}
    return lambda family: made.setdefault(family, denoiser(family))


@pytest.fixture(scope="module")
def sets(registry, tmp_path_factory):
    """A set over a network, of one LoRA with these tensors or of several."""
    atlas, folder = Atlas(registry.architectures, resolve), tmp_path_factory.mktemp("made")

    def make(network, *many, unet=1.0):
        wanted = [
            Wanted(read_adapter(write(folder / f"{n}.safetensors", tensors), f"{n} {id(tensors)}", "made"), unet)
            for n, tensors in enumerate(many)
        ]
        return fit(SimpleNamespace(networks=(network,), denoiser=network), wanted, atlas)[0].denoiser

    return make


def layers_of(shares):
    pieces = [piece for share in shares.shares for _, _, place, _ in share.modules for piece in place.pieces]
    return {piece.parameter.removesuffix(".weight") for piece in pieces}


def answers(network, names, rows, generator_seed=5):
    """What each of these layers says to random rows."""
    found, generator = {}, torch.Generator().manual_seed(generator_seed)
    for name in sorted(names):
        layer = network.get_submodule(name)
        is_convolution = isinstance(layer, torch.nn.Conv2d)
        shape = (rows, layer.in_channels, 6, 6) if is_convolution else (rows, 3, layer.in_features)
        found[name] = layer(torch.randn(shape, generator=generator)).clone()
    return found


def check(network, *many):
    """Rows with these sets and a row without any, against each set merged."""
    names, merging, expected = set().union(*(layers_of(one) for one in many)), Merging(), []
    rows = [*many, None, many[0]]
    with torch.inference_mode():
        for shares in rows:
            merging.hold(network, shares)
            expected.append(answers(network, names, len(rows)))
            merging.hold(network, None)
        beside = Beside(network, CPU)
        with beside.rows(rows):
            found = answers(network, names, len(rows))
        for name in names:
            plain = expected[rows.index(None)][name]
            for row in range(len(rows)):
                torch.testing.assert_close(found[name][row], expected[row][name][row], rtol=1e-4, atol=1e-5)
            assert not torch.allclose(found[name][0], plain[0], atol=1e-3)
        after = answers(network, names, len(rows))
        assert all(torch.equal(after[name], expected[rows.index(None)][name]) for name in names)
        beside.remove()


@pytest.mark.parametrize(("family", "number"), CASES)
def test_each_row_has_what_its_own_set_merged_gives(family, number, denoisers, sets):
    network = denoisers(family)
    layout, naming, modules = {**UNETS, **FLOWS}[family][number]
    shapes = {name: named(network, layout)[f"{name}.weight"].shape for name in modules}
    first, second = (lora(shapes, naming, seed=seed)[0] for seed in (1, 2))
    one, both = sets(network, first, unet=0.7), sets(network, second, first, unet=-0.4)
    assert fits_beside(one) and fits_beside(both)
    check(network, one, both)


def test_joined_projections_get_what_is_for_their_parts(sets):
    network = tiny.unet("sd1")
    names = [f"{ATTENTION}attn1.to_k", f"{ATTENTION}attn1.to_v", f"{ATTENTION}attn2.to_v"]
    shapes = {name: network.get_submodule(name).weight.shape for name in names}
    fuse_projections(network)
    made = sets(network, lora(shapes, as_kohya("lora_unet"))[0])
    assert layers_of(made) == {f"{ATTENTION}attn1.to_qkv", f"{ATTENTION}attn2.to_kv"}
    check(network, made)


@pytest.mark.parametrize("kind", ["LoHa", "LoKr", "full", "DoRA", "bias"])
def test_what_is_no_product_of_two_matrices_is_merged_only(kind, denoisers, sets):
    network, name = denoisers("sd1"), f"{ATTENTION}attn1.to_q"
    shape = network.get_submodule(name).weight.shape
    tensors, _ = lora({name: shape}, as_kohya("lora_unet"), "LoRA" if kind in ("DoRA", "bias") else kind)
    if kind == "DoRA":
        tensors["lora_unet_" + name.replace(".", "_") + ".dora_scale"] = torch.ones(shape[0], 1)
    if kind == "bias":
        out = f"{ATTENTION}attn1.to_out.0"
        tensors, _ = lora({out: network.get_submodule(out).weight.shape}, as_kohya("lora_unet"))
        tensors["lora_unet_" + out.replace(".", "_") + ".diff_b"] = torch.ones(len(network.get_submodule(out).bias))
    assert not fits_beside(sets(network, tensors))


def test_a_layer_that_mixes_rows_is_refused_and_nothing_is_left_behind(sets):
    network = copy.deepcopy(tiny.unet("sd1"))
    name = f"{ATTENTION}attn1.to_q"
    layer = network.get_submodule(name)
    made = sets(network, lora({name: layer.weight.shape}, as_peft("unet"))[0])
    beside = Beside(network, CPU)
    with (
        torch.inference_mode(),
        pytest.raises(RowsMixed, match="to_q was given 3 rows of 2"),
        beside.rows([made, None]),
    ):
        layer(torch.ones(3, layer.in_features))
    with torch.inference_mode():
        assert layer(torch.ones(3, layer.in_features)).shape == (3, layer.out_features)
    beside.remove()
    assert not any(module._forward_hooks for module in network.modules())
