"""Adapters for networks whose weights wait in RAM: merged there, whatever is on the device at the moment."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.engine.adapters.made import as_kohya, lora, write
from webui.engine.adapters.fitting import Wanted, fit
from webui.engine.adapters.merging import Merging
from webui.engine.adapters.places import Atlas
from webui.engine.adapters.weights import read_adapter
from webui.engine.memory.seats import Seats
from webui.plugins.resolve import resolve


class Network(nn.Module):
    """Two layers one after the other, in a list, as the blocks of a transformer are."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.blocks = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


@pytest.mark.parametrize("by_blocks", [False, True])
@torch.no_grad()
def test_what_is_merged_at_home_is_what_computes(by_blocks, registry, tmp_path):
    network, x = Network(), torch.randn(2, 6)
    plain = [(layer.weight.clone(), layer.bias.clone()) for layer in network.blocks]
    tensors, deltas = lora({"blocks.0": (6, 6), "blocks.1": (6, 6)}, as_kohya("lora_unet"))
    adapter = read_adapter(write(tmp_path / "a.safetensors", tensors), "a", "a")
    seats = Seats(torch.device("cpu"), 2**20, lambda tensor: tensor.clone())
    seats.seat(network, by_blocks=by_blocks, least_block=1)
    model = SimpleNamespace(networks=(network,), denoiser=network)
    made, _ = fit(model, [Wanted(adapter)], Atlas(registry.architectures, resolve))

    def expected(share):
        y = x
        for number, (weight, bias) in enumerate(plain):
            y = y @ (weight + share * deltas[f"blocks.{number}"]).t() + bias
        return y

    merging = Merging(seats.rest)
    for merged in (False, True, True, False):
        # It is on the device, with what it had before.
        network(x)
        merging.hold(network, made.denoiser if merged else None)
        torch.testing.assert_close(network(x), expected(float(merged)))
    seats.leave_idle()
    for layer, (weight, bias) in zip(network.blocks, plain, strict=True):
        assert torch.equal(layer.weight, weight) and torch.equal(layer.bias, bias)
