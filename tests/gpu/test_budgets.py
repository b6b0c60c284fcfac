"""On a card: what models may keep of its memory is what torch has allocated for them, and nothing stays behind."""

import gc
import shutil

import pytest
import torch

from tests.engine.helpers import STARTER
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.chosen import kept_in
from webui.engine.memory.placing import Placer
from webui.engine.pipelines import Pipelines
from webui.engine.residents import size_of_all
from webui.plugins.resolve import resolve

# The allocator rounds each tensor up to 512 bytes, and large ones to 2 MiB.
ROUNDING = 1.05


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Three models of the starter's size."""
    folder = tmp_path_factory.mktemp("models")
    for name in "abc":
        shutil.copytree(STARTER, folder / name)
    return Catalogue((folder,))


@pytest.fixture(scope="module")
def size(catalogue, registry, cuda):
    """Bytes of one of them in fp32."""
    shelf = Pipelines(registry, resolve, cuda, torch.float32)
    shelf.prefetch(catalogue.get("a"))
    held = size_of_all(shelf._resident.values())
    shelf.unload()
    return held


@pytest.fixture
def allocated():
    """What torch has allocated since the test began, now."""
    gc.collect()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()

    def now():
        gc.collect()
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated() - before

    return now


@pytest.mark.parametrize("models", [1, 2])
def test_models_on_the_card_keep_to_its_budget(catalogue, registry, cuda, size, allocated, models):
    budget = int((models + 0.5) * size)
    shelf = Pipelines(registry, resolve, cuda, torch.float32, budget)
    for name in "abcacb":
        shelf.prefetch(catalogue.get(name))
        assert allocated() <= budget, name
    # As many as it has room for, not fewer.
    assert allocated() == pytest.approx(models * size, rel=ROUNDING - 1)
    shelf.unload()
    assert allocated() <= size * (ROUNDING - 1)


def test_a_model_that_is_lent_stays_beside_what_a_budget_has_room_for(catalogue, registry, cuda, size, allocated):
    shelf = Pipelines(registry, resolve, cuda, torch.float32, int(1.5 * size))
    with shelf.lend(catalogue.get("a")):
        shelf.prefetch(catalogue.get("b"))
        assert allocated() == pytest.approx(2 * size, rel=ROUNDING - 1)
        shelf.prefetch(catalogue.get("c"))
        assert allocated() == pytest.approx(2 * size, rel=ROUNDING - 1)


@pytest.mark.parametrize("mode", ["automatic", "medvram"])
def test_networks_that_wait_in_ram_keep_to_the_same_budget(catalogue, registry, cuda, size, allocated, mode):
    budget = int(0.9 * size)
    placer = Placer(cuda, torch.float32, mode, budget_bytes=budget)
    shelf = Pipelines(registry, resolve, cuda, torch.float32, budget, placer=placer)
    shelf.prefetch(catalogue.get("a"))
    assert allocated() == 0
    with shelf.lend(catalogue.get("a")) as model:
        for network in [*model.networks] * 2:
            alone = sum(weight.nbytes for weight in network.parameters())
            most = max(budget, alone) if mode == "automatic" else alone
            with placer._seats.use(network):
                assert alone <= allocated() <= ROUNDING * most
    del model, network
    shelf.unload()
    assert allocated() == 0


def test_a_model_in_8_bits_is_counted_by_what_it_takes(catalogue, registry, cuda, allocated):
    shelf = Pipelines(registry, resolve, cuda, torch.float16)
    shelf.prefetch(kept_in(catalogue.get("a"), {"denoiser": "fp8"}))
    counted = size_of_all(shelf._resident.values())
    assert counted <= allocated() <= ROUNDING * counted
    shelf.unload()


def test_a_model_that_made_room_waits_in_pinned_ram_and_comes_back_unread(
    catalogue, registry, cuda, size, allocated, monkeypatch
):
    shelf = Pipelines(registry, resolve, cuda, torch.float32, int(1.5 * size))
    for name in "ab":
        shelf.prefetch(catalogue.get(name))
    (model,) = [one.model for one in shelf._resident.values() if one.away]
    weights = dict(model.denoiser.named_parameters())
    assert all(weight.is_pinned() for weight in weights.values())
    monkeypatch.setattr("webui.engine.reading.cache.read_network", lambda *_: pytest.fail("a file was read"))
    for _ in range(3):
        with shelf.lend(catalogue.get("a")) as again:
            assert again is model and allocated() == pytest.approx(size, rel=ROUNDING - 1)
            assert all(torch.equal(one.cpu(), weights[name]) for name, one in again.denoiser.named_parameters())
        shelf.prefetch(catalogue.get("b"))
    del model, again, weights
    shelf.unload()
