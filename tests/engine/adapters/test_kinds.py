"""Kinds of adapters: what each adds to a weight, against the formula written out by hand."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.engine.adapters.made import CONVOLUTION_KINDS, MATRIX_KINDS, as_kohya, lora, tensors_of, write
from webui.core.errors import ModelProblem
from webui.engine.adapters.fitting import Wanted, fit
from webui.engine.adapters.merging import Merging
from webui.engine.adapters.places import Atlas
from webui.engine.adapters.weights import AdapterStore, read_adapter
from webui.engine.reading.kept import FP8, keep
from webui.plugins.resolve import resolve

MATRIX, CONVOLUTION = (8, 6), (8, 6, 3, 3)


class Network(nn.Module):
    """A network of one layer of each form."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.matrix, self.convolution = nn.Linear(6, 8), nn.Conv2d(6, 8, 3)
        self.norm, self.other = nn.LayerNorm(8), nn.Linear(6, 8)


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def atlas(registry):
    return Atlas(registry.architectures, resolve)


def bytes_of(network):
    """Every parameter's bytes."""
    return {name: bytes(p.detach().contiguous().view(torch.uint8).numpy()) for name, p in network.named_parameters()}


def read(tmp_path, tensors, name="one"):
    path = write(tmp_path / f"{name}.safetensors", tensors)
    return read_adapter(path, name, name)


def merged(network, atlas, *wanted):
    """The set over a model that is this network alone, merged into it."""
    made, _ = fit(SimpleNamespace(networks=(network,), denoiser=network), wanted, atlas)
    merging = Merging()
    merging.hold(network, made.denoiser)
    return merging


@pytest.mark.parametrize("multiplier", [1.0, 0.5, -0.7])
@pytest.mark.parametrize(
    ("kind", "module", "shape"),
    [
        *((kind, "matrix", MATRIX) for kind in MATRIX_KINDS),
        *((kind, "convolution", CONVOLUTION) for kind in CONVOLUTION_KINDS),
    ],
)
def test_a_weight_gets_what_the_formula_says(kind, module, shape, multiplier, network, atlas, tmp_path):
    before, weight = bytes_of(network), getattr(network, module).weight.detach().clone()
    tensors, deltas = lora({module: shape}, as_kohya("lora_unet"), kind)
    merging = merged(network, atlas, Wanted(read(tmp_path, tensors), unet=multiplier))
    now = getattr(network, module).weight
    torch.testing.assert_close(now, weight + multiplier * deltas[module], rtol=1e-5, atol=1e-6)
    assert not torch.equal(now, weight)
    others = {name: held for name, held in bytes_of(network).items() if name != f"{module}.weight"}
    assert others == {name: before[name] for name in others}
    merging.hold(network, None)
    assert bytes_of(network) == before


@pytest.mark.parametrize("by_input", [False, True])
@pytest.mark.parametrize(("module", "shape"), [("matrix", MATRIX), ("convolution", CONVOLUTION)])
@pytest.mark.parametrize("kind", ["LoRA", "LoHa", "LoKr"])
def test_dora_gives_each_row_the_length_that_was_trained(kind, module, shape, by_input, network, atlas, tmp_path):
    weight = getattr(network, module).weight.detach().clone()
    tensors, deltas = lora({module: shape}, as_kohya("lora_unet"), kind)
    axis, side = (1, shape[1]) if by_input else (0, shape[0])
    magnitude = torch.rand(side) + 0.5
    form = [1] * len(shape)
    form[axis] = side
    tensors[f"lora_unet_{module}.dora_scale"] = magnitude.view(form)
    merged(network, atlas, Wanted(read(tmp_path, tensors), unet=0.5))
    whole = weight + deltas[module]
    expected = torch.empty(shape)
    for place in range(side):
        row = whole.select(axis, place)
        length = math.sqrt(sum(float(number) ** 2 for number in row.flatten()))
        expected.select(axis, place).copy_(row / length * magnitude[place])
    # A1111: half of the way from the old weight to the new one.
    torch.testing.assert_close(getattr(network, module).weight, weight + 0.5 * (expected - weight))


def test_norms_and_biases_get_their_differences(network, atlas, tmp_path):
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    tensors = {
        "lora_unet_norm.w_norm": torch.randn(8), "lora_unet_norm.b_norm": torch.randn(8),
        "lora_unet_matrix.diff": torch.randn(*MATRIX), "lora_unet_matrix.diff_b": torch.randn(8),
    }  # fmt: skip
    merged(network, atlas, Wanted(read(tmp_path, tensors), unet=2.0))
    expected = {
        "norm.weight": "norm.w_norm", "norm.bias": "norm.b_norm", "matrix.weight": "matrix.diff",
        "matrix.bias": "matrix.diff_b",
    }  # fmt: skip
    for name, parameter in network.named_parameters():
        added = tensors[f"lora_unet_{expected[name]}"] if name in expected else 0.0
        torch.testing.assert_close(parameter.detach(), before[name] + 2.0 * torch.as_tensor(added))


def test_fewer_ranks(network, atlas, tmp_path):
    weight = network.matrix.weight.detach().clone()
    tensors, _ = lora({"matrix": MATRIX}, as_kohya("lora_unet"), rank=4)
    merged(network, atlas, Wanted(read(tmp_path, tensors), ranks=1))
    up, down = tensors["lora_unet_matrix.lora_up.weight"], tensors["lora_unet_matrix.lora_down.weight"]
    torch.testing.assert_close(network.matrix.weight.detach(), weight + up[:, :1] @ down[:1] * 1.5 / 4)


def test_sets_add_up_and_only_what_differs_is_touched(network, atlas, tmp_path):
    before, weight = bytes_of(network), network.matrix.weight.detach().clone()
    both, deltas = lora({"matrix": MATRIX, "other": MATRIX}, as_kohya("lora_unet"))
    second, more = lora({"matrix": MATRIX}, as_kohya("lora_unet"), "LoHa", seed=1)
    a, b = read(tmp_path, both, "a"), read(tmp_path, second, "b")
    model = SimpleNamespace(networks=(network,), denoiser=network)
    sets = [fit(model, wanted, atlas)[0].denoiser for wanted in ([Wanted(a)], [Wanted(a), Wanted(b, unet=0.5)])]
    merging = Merging()
    merging.hold(network, sets[0])
    other = network.other.weight.data_ptr()
    merging.hold(network, sets[1])
    torch.testing.assert_close(network.matrix.weight.detach(), weight + deltas["matrix"] + 0.5 * more["matrix"])
    assert network.other.weight.data_ptr() == other
    assert merging.hold(network, sets[1]) == 0.0 and merging.switches == 2
    merging.hold(network, sets[0])
    torch.testing.assert_close(network.matrix.weight.detach(), weight + deltas["matrix"])
    merging.hold(network, None)
    assert bytes_of(network) == before


def test_whatever_is_raised_the_weights_are_as_before(network, atlas, tmp_path):
    before = bytes_of(network)
    tensors, _ = lora({"matrix": MATRIX, "other": MATRIX}, as_kohya("lora_unet"))
    # As many numbers as fit, and of two ranks.
    tensors["lora_unet_other.lora_up.weight"] = torch.zeros(8, 3)
    with pytest.raises(ModelProblem, match="its tensors for lora_unet_other do not fit each other"):
        merged(network, atlas, Wanted(read(tmp_path, tensors)))
    assert bytes_of(network) == before


def test_a_multiplier_of_nothing_changes_nothing(network, atlas, tmp_path):
    tensors, _ = lora({"matrix": MATRIX}, as_kohya("lora_unet"))
    made, _ = fit(
        SimpleNamespace(networks=(network,), denoiser=network), [Wanted(read(tmp_path, tensors), unet=0.0)], atlas
    )
    assert made.key == () and made.denoiser is None


def test_weights_in_eight_bits_lose_nothing_of_what_is_added(network, atlas, tmp_path):
    with torch.no_grad():
        network.matrix.weight.copy_(network.matrix.weight.to(FP8).float())
    weight = network.matrix.weight.detach().clone()
    network.matrix.weight = nn.Parameter(network.matrix.weight.detach().to(FP8), requires_grad=False)
    keep(network, ["matrix.weight"], torch.float32)
    tensors, deltas = lora({"matrix": MATRIX}, as_kohya("lora_unet"))
    merging = merged(network, atlas, Wanted(read(tmp_path, tensors)))
    x = torch.randn(3, 6)
    expected = x @ (weight + deltas["matrix"]).t() + network.matrix.bias
    torch.testing.assert_close(network.matrix(x), expected)
    merging.hold(network, None)
    assert network.matrix.weight.kept.dtype == FP8
    torch.testing.assert_close(network.matrix(x), x @ weight.t() + network.matrix.bias)


def test_half_precision_is_rounded_once(network, atlas, tmp_path):
    network.half()
    weight = network.matrix.weight.detach().clone()
    tensors, deltas = lora({"matrix": MATRIX}, as_kohya("lora_unet"))
    merged(network, atlas, Wanted(read(tmp_path, tensors)))
    expected = (weight.float() + deltas["matrix"]).half()
    torch.testing.assert_close(network.matrix.weight.detach(), expected, rtol=1e-3, atol=1e-6)


def test_convolutions_keep_their_layout_in_memory(network, atlas, tmp_path):
    network.to(memory_format=torch.channels_last)
    tensors, _ = lora({"convolution": CONVOLUTION}, as_kohya("lora_unet"))
    merged(network, atlas, Wanted(read(tmp_path, tensors)))
    assert network.convolution.weight.is_contiguous(memory_format=torch.channels_last)


def test_files_are_read_once_and_kept_within_a_budget(tmp_path):
    for number in range(3):
        tensors, _ = lora({"matrix": MATRIX}, as_kohya("lora_unet"), seed=number)
        write(tmp_path / f"{number}.safetensors", tensors)
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    store = AdapterStore(budget_bytes=2 * size)
    for number in (0, 1, 0, 1, 0):
        store.get(tmp_path / f"{number}.safetensors", str(number), str(number))
    assert store.loads == 2
    store.get(tmp_path / "2.safetensors", "2", "2")
    store.get(tmp_path / "0.safetensors", "0", "0")
    assert store.loads == 3
    store.get(tmp_path / "1.safetensors", "1", "1")
    assert store.loads == 4


def test_the_test_knows_all_kinds():
    generator = torch.Generator().manual_seed(0)
    for kind in MATRIX_KINDS:
        _, delta = tensors_of(kind, MATRIX, generator)
        assert delta.shape == MATRIX and delta.abs().sum() > 0
