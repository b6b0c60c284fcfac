"""Models are loaded once, lent, kept within a budget, and loaded again when their file changed."""

import os
import threading
import time

import pytest
import torch

from tests.engine import singles
from tests.engine.helpers import write_checkpoint
from webui.core.errors import ModelProblem, OutOfMemory
from webui.core.model_folders import inside_models
from webui.core.model_memory import Unloaded
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.pipelines import Pipelines
from webui.engine.reading import cache
from webui.engine.reading.networks import read_network
from webui.plugins.resolve import resolve

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate("abc"):
        write_checkpoint(folder / name, seed)
    return Catalogue((folder,))


def pipelines(registry, budget=10**9, load=None):
    return Pipelines(
        registry, lambda name: load if load and name.endswith(":load") else resolve(name), CPU, torch.float32, budget
    )


def test_a_model_is_loaded_once_for_all_who_borrow_it(catalogue, registry):
    loads = []

    def slow(checkpoint, reader):
        loads.append(checkpoint.name)
        time.sleep(0.05)
        return resolve("webui.engine.families.sd1:load")(checkpoint, reader)

    shelf, lent = pipelines(registry, load=slow), []

    def borrow():
        with shelf.lend(catalogue.get("a")) as model:
            lent.append(model)

    threads = [threading.Thread(target=borrow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["a"] and len(lent) == 4 and all(model is lent[0] for model in lent)
    assert shelf.lend_resident([catalogue.get("a")]) and not shelf.lend_resident([catalogue.get("b")])


def test_processes_on_one_device_share_its_memory(registry, monkeypatch):
    monkeypatch.setattr("webui.engine.pipelines.memory", lambda device: (800, 1000))
    budgets = [Pipelines(registry, resolve, CPU, torch.float32, sharers=sharers)._budget for sharers in (1, 2)]
    assert budgets == [500, 250]


def test_it_is_told_when_a_model_has_come_or_gone(catalogue, registry):
    told = []
    size = catalogue.get("a").size_bytes
    shelf = Pipelines(
        registry, resolve, CPU, torch.float32, int(size * 1.5), changed=lambda: told.append(shelf.names())
    )
    for name in ("a", "a", "b"):
        shelf.prefetch(catalogue.get(name))
    assert told == [["a"], [], ["b"]]


def test_idle_models_are_dropped_longest_unused_first(catalogue, registry):
    size = catalogue.get("a").size_bytes
    shelf = pipelines(registry, budget=int(size * 2.5))
    for name in ("a", "b", "a", "c"):
        shelf.prefetch(catalogue.get(name))
    assert sorted(shelf.names()) == ["a", "c"]


def test_a_lent_model_stays_even_above_the_budget(catalogue, registry):
    shelf = pipelines(registry, budget=1)
    with shelf.lend(catalogue.get("a")):
        with shelf.lend(catalogue.get("b")):
            assert sorted(shelf.names()) == ["a", "b"]
        shelf.prefetch(catalogue.get("c"))
        assert sorted(shelf.names()) == ["a", "c"]


def test_memory_is_made_before_a_load_is_given_up(catalogue, registry):
    tries = []

    def tight(checkpoint, reader):
        tries.append((checkpoint.name, sorted(shelf.names())))
        if len(tries) in (2, 4, 5):
            raise torch.OutOfMemoryError("out of memory")
        return resolve("webui.engine.families.sd1:load")(checkpoint, reader)

    shelf = pipelines(registry, load=tight)
    shelf.prefetch(catalogue.get("a"))
    shelf.prefetch(catalogue.get("b"))
    assert tries == [("a", []), ("b", ["a"]), ("b", [])]
    with pytest.raises(OutOfMemory, match="load c"):
        shelf.prefetch(catalogue.get("c"))


def one_at_a_time(shelves):
    """A loader for a device that has room for one model."""

    def load(checkpoint, reader):
        if shelves[0].names():
            raise torch.OutOfMemoryError("out of memory")
        return resolve("webui.engine.families.sd1:load")(checkpoint, reader)

    return load


def waits(shelf):
    deadline = time.monotonic() + 30
    while not shelf._waiting and time.monotonic() < deadline:
        time.sleep(0.005)
    return shelf._waiting


def test_a_model_that_does_not_fit_waits_for_a_loan_to_come_back(catalogue, registry):
    shelves, lent, told = [], [], []
    shelf = pipelines(registry, load=one_at_a_time(shelves))
    shelves.append(shelf)

    def borrow():
        with shelf.lend(catalogue.get("b"), waits=told.append):
            lent.append(shelf.names())

    other = threading.Thread(target=borrow)
    with shelf.lend(catalogue.get("a")):
        other.start()
        assert waits(shelf) and not shelf.lend_resident([catalogue.get("a")])
    other.join(30)
    assert lent == [["b"]] and told == [True, False]


def test_waiting_for_memory_can_be_given_up(catalogue, registry):
    shelves, ends, gone = [], [], threading.Event()
    shelf = pipelines(registry, load=one_at_a_time(shelves))
    shelves.append(shelf)

    def borrow():
        try:
            with shelf.lend(catalogue.get("b"), given_up=gone.is_set):
                ends.append(None)
        except OutOfMemory as error:
            ends.append(error.detail)

    other = threading.Thread(target=borrow)
    with shelf.lend(catalogue.get("a")):
        other.start()
        assert waits(shelf)
        gone.set()
        shelf.wake()
        other.join(30)
        assert ends == ["There is not enough memory to load b."] and shelf.names() == ["a"]


def test_a_file_that_was_replaced_is_loaded_again(tmp_path, registry):
    folder = write_checkpoint(tmp_path / "a")
    catalogue, shelf = Catalogue((tmp_path,)), pipelines(registry)
    checkpoint = catalogue.get("a")
    with shelf.lend(checkpoint) as before:
        pass
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    os.utime(weights, ns=(time.time_ns(), time.time_ns() + 10**9))
    with shelf.lend(checkpoint) as after:
        assert after is not before
    weights.unlink()
    with pytest.raises(ModelProblem, match="no longer complete"), shelf.lend(checkpoint):
        pass


@pytest.mark.parametrize("budget", [10**9, 1])
def test_another_vae_is_all_that_is_read_for_it(tmp_path, registry, monkeypatch, budget):
    model = singles.sd("sd1")
    folders = inside_models(tmp_path / "models")
    for folder in (folders.checkpoints[0], folders.vae[0]):
        folder.mkdir(parents=True)
    singles.write(model.tensors(), folders.checkpoints[0] / "m.safetensors", torch.float16)
    singles.write(model.tensors("vae", bare=True), folders.vae[0] / "other.safetensors")
    read = []

    def counted(part, *rest):
        read.append(part.role)
        return read_network(part, *rest)

    monkeypatch.setattr(cache, "read_network", counted)
    found = Catalogue(folders)
    shelf, whole = pipelines(registry, budget), found.get("m")
    other = found.with_parts(whole, vae="other")
    with shelf.lend(whole) as first:
        networks = list(first.networks)
    assert sorted(read) == ["denoiser", "text_encoder", "vae"]
    read.clear()
    del first, networks
    with shelf.lend(other) as second:
        assert read == ["vae"], "even where the first model had to go for the second"
        assert second.denoiser is not None
    read.clear()
    with shelf.lend(whole):
        assert read == ([] if budget > 1 else ["vae"])


def test_what_is_in_memory_is_told_with_its_size_and_what_loading_took(catalogue, registry):
    size = catalogue.get("a").size_bytes

    def slow(checkpoint, reader):
        time.sleep(0.05)
        return resolve("webui.engine.families.sd1:load")(checkpoint, reader)

    shelf = pipelines(registry, budget=int(size * 1.5), load=slow)
    empty = {"detail": "no model loaded", "models": [], "held": (), "last_load": None}
    assert empty.items() <= shelf.describe().items()
    shelf.prefetch(catalogue.get("a"))
    (held,) = shelf.describe()["held"]
    # The files' heads are no weights.
    assert held.name == "a" and 0.9 * size < held.size_bytes <= size
    first = shelf.last_load
    assert (first.name, first.dropped) == ("a", False) and 0.05 <= first.seconds < 30
    shelf.prefetch(catalogue.get("a"))
    assert shelf.last_load is first
    shelf.prefetch(catalogue.get("b"))
    assert (shelf.last_load.name, shelf.last_load.dropped) == ("b", True)


def test_waiting_for_a_job_is_no_part_of_what_loading_took(catalogue, registry):
    shelves = []
    shelf = pipelines(registry, load=one_at_a_time(shelves))
    shelves.append(shelf)
    back = threading.Timer(0.5, lambda: loan.__exit__(None, None, None))
    loan = shelf.lend(catalogue.get("a"))
    loan.__enter__()
    back.start()
    began = time.perf_counter()
    with shelf.lend(catalogue.get("b")):
        assert time.perf_counter() - began > shelf.last_load.seconds + 0.3
    assert shelf.last_load.dropped


def test_unload_drops_what_nobody_uses_and_it_comes_back_by_itself(catalogue, registry):
    loads = []

    def counted(checkpoint, reader):
        loads.append(checkpoint.name)
        return resolve("webui.engine.families.sd1:load")(checkpoint, reader)

    shelf = pipelines(registry, load=counted)
    assert shelf.unload() == Unloaded()
    shelf.prefetch(catalogue.get("a"))
    with shelf.lend(catalogue.get("b")):
        assert shelf.unload() == Unloaded(("a",), ("b",))
        assert shelf.names() == ["b"]
    assert shelf.unload() == Unloaded(("b",))
    assert shelf.names() == [] and not shelf.lend_resident([catalogue.get("b")])
    shelf.prefetch(catalogue.get("b"))
    assert loads == ["a", "b", "b"]
