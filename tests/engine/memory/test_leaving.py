"""Models that make room beside a card wait in RAM: they come back unread and unchanged, and both budgets hold."""

import gc
import threading
import weakref

import pytest
import torch

from tests.engine import singles
from tests.engine.adapters.made import as_kohya, lora, write
from tests.engine.helpers import Loop, running, write_checkpoint
from tests.engine.memory.test_waiting import OFFLOADED, Moves
from webui.engine.adapters.fitting import Wanted, fit
from webui.engine.adapters.weights import read_adapter
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.chosen import kept_in
from webui.engine.memory.placing import Placer
from webui.engine.pipelines import Pipelines
from webui.engine.reading import cache
from webui.engine.reading.networks import read_network
from webui.engine.residents import size_of_all
from webui.plugins.resolve import resolve

CPU = torch.device("cpu")
NAMES = "abcde"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Five models of one size, and one in half precision."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(NAMES):
        write_checkpoint(folder / name, seed)
    singles.write(singles.sd("sd1").tensors(), folder / "half.safetensors", torch.float16)
    return Catalogue((folder,))


@pytest.fixture
def read(monkeypatch):
    """The files of which networks were read, in order."""
    files = []

    def watched(part, *arguments):
        files.append(part.files[0])
        return read_network(part, *arguments)

    monkeypatch.setattr(cache, "read_network", watched)
    return files


class Shelf(Pipelines):
    """Models on a device that only notes what comes to it; budgets are of the first model's size."""

    def __init__(self, registry, catalogue, card=1.5, ram=10.0, move=None, mode="automatic"):
        self.catalogue, self.size = catalogue, catalogue.get("a").size_bytes
        self.moves = Moves() if move is None else move
        placer = Placer(CPU, torch.float32, mode, move=self.moves, least_block=1) if self.moves else None
        budgets = int(card * self.size), int(ram * self.size)
        super().__init__(registry, resolve, CPU, torch.float32, budgets[0], placer=placer, ram_budget_bytes=budgets[1])

    def get(self, name):
        """Lend and give back."""
        self.prefetch(self.catalogue.get(name))

    def where(self, **state):
        """Names of the models of which this is so."""
        return [one.name for one in self._resident.values() if all(getattr(one, k) == v for k, v in state.items())]

    def takes(self, **state):
        """Bytes of the models of which this is so."""
        found = [one for one in self._resident.values() if all(getattr(one, k) == v for k, v in state.items())]
        return size_of_all(found)


def picture(registry, model, request):
    loop = Loop(model, registry)
    loop.add("a", request)
    return loop.run()["a"]


def test_a_model_that_made_room_comes_back_without_its_file_and_makes_the_same_picture(catalogue, registry, ask, read):
    shelf = Shelf(registry, catalogue)
    with shelf.lend(catalogue.get("a")) as first:
        right = picture(registry, first, ask(steps=2))
    shelf.get("b")
    assert shelf.where(away=True) == ["a"] and shelf.where(on_device=True) == ["b"] and shelf.moves.count == 0
    files = len(read)
    shelf.moves.spoil(first.networks)
    with shelf.lend(catalogue.get("a")) as again:
        assert again is first and len(read) == files and shelf.moves.count > 0
        # As one that never was away: nothing comes and goes by its calls.
        assert all("forward" not in network.__dict__ for network in again.networks)
        came = shelf.moves.count
        assert (picture(registry, again, ask(steps=2)) == right).all() and shelf.moves.count == came
    assert shelf.where(away=True) == ["b"] and shelf.last_load.name == "a" and shelf.last_load.dropped


def test_a_model_that_leaves_again_is_not_copied_again(catalogue, registry):
    shelf = Shelf(registry, catalogue)
    for name in "ab":
        shelf.get(name)
    model = next(one.model for one in shelf._resident.values() if one.name == "a")
    home = dict(model.denoiser.named_parameters())
    with shelf.lend(catalogue.get("a")):
        assert all(one is not home[name] for name, one in model.denoiser.named_parameters())
    shelf.get("b")
    assert all(one is home[name] for name, one in model.denoiser.named_parameters())


def test_swaps_among_five_models_read_each_file_once_and_keep_to_both_budgets(catalogue, registry, read):
    shelf = Shelf(registry, catalogue)
    for turn in range(20):
        shelf.get(NAMES[turn * 2 % 5])
        assert shelf.takes(on_device=True) <= shelf._budget and shelf.takes(in_ram=True) <= shelf._ram_budget
        assert len(shelf.where(on_device=True)) == 1
    assert len(read) == len(set(read)) == 3 * len(NAMES) and sorted(shelf.names()) == list(NAMES)


@pytest.mark.parametrize(("ram", "left"), [(1.5, 1), (2.5, 2), (0.5, 0)])
def test_rams_budget_holds_and_what_was_not_used_for_longest_goes_first(catalogue, registry, ram, left):
    shelf = Shelf(registry, catalogue, ram=ram)
    for name in "abcd":
        shelf.get(name)
        assert shelf.takes(in_ram=True) <= shelf._ram_budget
    assert shelf.where(away=True) == list("abc")[3 - left :] and shelf.where(on_device=True) == ["d"]
    # Back and forth with room for one in RAM: budgets hold there too.
    for name in "cdcd":
        shelf.get(name)
        assert shelf.takes(in_ram=True) <= shelf._ram_budget and shelf.takes(on_device=True) <= shelf._budget


def test_what_leaves_ram_is_gone(catalogue, registry):
    shelf = Shelf(registry, catalogue, ram=1.5)
    with shelf.lend(catalogue.get("a")) as model:
        gone = weakref.ref(model.denoiser.conv_in.weight), weakref.ref(model)
    del model
    for name in "bc":
        shelf.get(name)
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_on_a_cpu_nothing_waits(catalogue, registry, read):
    shelf = Shelf(registry, catalogue, move=False)
    for name in "aba":
        shelf.get(name)
    assert shelf.names() == ["a"] and len(read) == 9 and not shelf.takes(in_ram=True)


def test_unloading_drops_what_waits_too(catalogue, registry):
    shelf = Shelf(registry, catalogue)
    for name in "ab":
        shelf.get(name)
    assert set(shelf.unload().dropped) == {"a", "b"} and not shelf.names()


def test_a_model_that_shares_networks_with_another_is_dropped_as_those_cannot_move(catalogue, registry, read):
    shelf, plain = Shelf(registry, catalogue, card=3), catalogue.get("a")
    small = kept_in(plain, {"denoiser": "fp16"})
    with shelf.lend(plain) as lent:
        shelf.prefetch(small)
        shelf.make_room()
        # The one that is lent keeps its text encoder where it computes.
        assert all("forward" not in network.__dict__ for network in lent.networks)
        assert shelf.where(on_device=True) == ["a"] and not shelf.where(away=True)
    shelf.make_room()
    assert shelf.where(away=True) == ["a"]


def test_a_model_that_finds_no_room_when_it_comes_back_comes_in_parts(catalogue, registry, ask):
    class Full(Moves):
        """Has no room for whole models."""

        full = False

        def __call__(self, tensor):
            if self.full and self.count > 30:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().__call__(tensor)

    shelf, notes = Shelf(registry, catalogue, move=Full()), []
    with shelf.lend(catalogue.get("a")) as model:
        right = picture(registry, model, ask(steps=1))
    shelf.get("b")
    shelf.moves.spoil(model.networks)
    shelf.moves.full = True
    with shelf.lend(catalogue.get("a"), note=notes.append) as model:
        shelf.moves.full = False
        assert notes == [OFFLOADED] and shelf.where(on_device=False, away=False) == ["a"]
        assert (picture(registry, model, ask(steps=1)) == right).all()


def test_a_budget_counts_what_weights_take_in_memory_not_in_the_file(catalogue, registry):
    shelf = Shelf(registry, catalogue)
    with shelf.lend(catalogue.get("half")) as model:
        size = sum(weight.nbytes for network in model.networks for weight in network.parameters())
    assert size > 1.5 * catalogue.get("half").size_bytes
    shelf._budget = int(size * 1.2) + 1
    shelf.get("a")
    shelf.get("half")
    assert shelf.takes(on_device=True) <= shelf._budget


def test_who_wants_a_model_that_is_just_leaving_waits_for_it_and_reads_nothing(catalogue, registry, read):
    shelf, leaves, go_on = Shelf(registry, catalogue), threading.Event(), threading.Event()
    shelf.get("a")
    plain = shelf._placer.put_away

    def held(model):
        leaves.set()
        assert go_on.wait(60)
        plain(model)

    shelf._placer.put_away = held
    threads = [threading.Thread(target=shelf.make_room), threading.Thread(target=shelf.get, args=("a",))]
    threads[0].start()
    assert leaves.wait(60) and not shelf.lend_resident([catalogue.get("a")])
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert len(read) == 3 and shelf.where(on_device=True) == ["a"]


@torch.no_grad()
def test_adapters_are_taken_out_before_a_model_leaves_and_serve_it_when_it_is_back(catalogue, registry, tmp_path):
    shelf, wanted = Shelf(registry, catalogue), "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    with shelf.lend(catalogue.get("a")) as model:
        layer = model.denoiser.get_submodule(wanted)
        plain, before = layer.weight.clone(), layer.weight
        tensors, deltas = lora({wanted: tuple(plain.shape)}, as_kohya("lora_unet"))
        adapter = read_adapter(write(tmp_path / "a.safetensors", tensors), "a", "a")
        shares = fit(model, [Wanted(adapter)], shelf.atlas)[0].denoiser
        shelf.merging.hold(model.denoiser, shares)
        assert not torch.equal(layer.weight, plain)
    for name in "ba":
        shelf.get(name)
        assert torch.equal(layer.weight, plain) and shelf.merging.key_of(model.denoiser) == ()
    assert layer.weight is not before
    shelf.merging.hold(model.denoiser, shares)
    torch.testing.assert_close(layer.weight, plain + deltas[wanted])
    shelf.get("b")
    assert torch.equal(layer.weight, plain)


def test_a_network_that_moves_is_found_where_it_is_now_and_one_that_could_not_nowhere(catalogue, registry):
    card = torch.device("cuda:0")
    known, part = cache.NetworkCache(registry, resolve, card, torch.float32), catalogue.get("a").parts["unet"]
    network = known.network(part, home=CPU)

    def found():
        return [place for place in (card, CPU) if known.held([part], place) == [network]]

    assert found() == [CPU]
    for home, place in ((None, card), (CPU, CPU)):
        with known.moving([network], home):
            assert found() == []
        assert found() == [place]
    with pytest.raises(MemoryError), known.moving([network], None):
        raise MemoryError
    assert found() == []


def test_a_model_that_a_job_used_is_kept_by_no_circle(tmp_path, registry, plugins, ask, monkeypatch):
    for seed in (0, 1):
        write_checkpoint(tmp_path / f"m{seed}", seed)
    monkeypatch.setattr(gc, "collect", lambda: 0)
    with running(tmp_path, registry, plugins, model_budget_bytes=1) as bench:
        bench.make(ask(checkpoint="m0"))
        [first] = [weakref.ref(one.model) for one in bench.engine._pipelines._resident.values()]
        gc.disable()
        try:
            bench.make(ask(checkpoint="m1"))
            assert first() is None
        finally:
            gc.enable()
