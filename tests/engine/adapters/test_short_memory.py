"""Memory that runs out while adapters are merged or put back: nothing half done is computed with, and all is tried."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.engine.adapters.made import as_kohya, lora, write
from webui.core.errors import OutOfMemory
from webui.engine.adapters import merging as module
from webui.engine.adapters.fitting import PLAIN, Wanted, fit
from webui.engine.adapters.merging import Merging
from webui.engine.adapters.places import Atlas
from webui.engine.adapters.slices import Slices
from webui.engine.adapters.weights import read_adapter
from webui.engine.memory.rungs import Freed, Relief
from webui.plugins.resolve import resolve

LAYERS = {"first": (8, 6), "second": (8, 8)}


class Network(nn.Module):
    """Two layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)


class Short:
    """Memory for so many exchanges of a weight."""

    def __init__(self, monkeypatch):
        self.left = 1_000
        # All that changes a weight.
        for name in ("_hold", "_write", "_write_sum"):
            monkeypatch.setattr(module, name, self._counted(getattr(module, name)))

    def _counted(self, change):
        def counted(*arguments):
            if not self.left:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            self.left -= 1
            change(*arguments)

        return counted


@pytest.fixture
def short(monkeypatch):
    return Short(monkeypatch)


@pytest.fixture
def adapted(registry, tmp_path):
    """(a network, a set for it)."""
    network = Network()
    adapter = read_adapter(write(tmp_path / "a.safetensors", lora(LAYERS, as_kohya("lora_unet"))[0]), "a", "a")
    model = SimpleNamespace(networks=(network,), denoiser=network)
    shares = fit(model, [Wanted(adapter)], Atlas(registry.architectures, resolve))[0].denoiser
    return network, shares


def values(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def equal(network, expected):
    return all(torch.equal(one, other) for one, other in zip(network.parameters(), expected, strict=True))


def test_weights_that_were_put_back_halfway_pass_for_no_set(adapted, short):
    network, shares = adapted
    plain, merging = values(network), Merging()
    merging.hold(network, shares)
    merged = values(network)
    for wanted, expected in ((shares, merged), (None, plain)):
        merging.hold(network, shares)
        short.left = 1
        with pytest.raises(torch.OutOfMemoryError):
            merging.hold(network, None)
        assert not equal(network, merged) and not equal(network, plain)
        short.left = 1_000
        assert merging.hold(network, wanted) > 0.0
        assert equal(network, expected)


def test_a_merge_that_fails_halfway_is_undone(adapted, short):
    network, shares = adapted
    plain, merging = values(network), Merging()
    short.left = 1
    with pytest.raises(torch.OutOfMemoryError):
        merging.hold(network, shares)
    short.left = 1_000
    merging.hold(network, None)
    assert equal(network, plain)


def test_a_text_encoder_that_was_put_back_halfway_is_whole_before_it_reads_a_plain_text(adapted, short):
    network, shares = adapted
    plain, merging = values(network), Merging()
    merging.hold(network, shares)
    short.left = 1
    with pytest.raises(torch.OutOfMemoryError):
        merging.hold(network, None)
    short.left = 1_000
    with merging.texts((network,), PLAIN) as apply:
        apply()
        assert equal(network, plain)


def test_room_is_made_for_a_set_and_where_none_can_be_the_house_says_so(adapted, short):
    network, shares = adapted
    plain, told, cpu = values(network), [], torch.device("cpu")
    evicted = [Freed.NOTHING, Freed.MODELS]

    def evict():
        freed = evicted.pop()
        short.left = 1_000 if freed else 0
        return freed

    slices = Slices(Merging(), Relief(evict=evict))
    short.left = 1
    slices.hold(network, shares, cpu, told.append)
    assert told == ["Memory ran out, so models that nobody uses made room."] and not equal(network, plain)
    short.left = 1
    with pytest.raises(OutOfMemory, match="not enough memory for the LoRAs"):
        slices.hold(network, None, cpu, told.append)
    # What could not be put back does not stop the loop, and is tried again.
    slices.put_back(())
    short.left = 1_000
    slices.put_back(())
    assert equal(network, plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_stay_in_their_place_in_memory(adapted, dtype):
    network, shares = adapted
    network.to(dtype)
    plain, merging = values(network), Merging()
    places = [parameter.data_ptr() for parameter in network.parameters()]
    for wanted in (shares, None):
        merging.hold(network, wanted)
        assert [parameter.data_ptr() for parameter in network.parameters()] == places
    assert equal(network, plain)
