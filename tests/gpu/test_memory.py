"""On a card: weights that wait in RAM take the memory that was promised, and the pictures are the same."""

import gc

import pytest
import torch

from tests.engine import singles
from tests.engine.helpers import STARTER, pixels, running
from webui.core.events import Finished, Note
from webui.core.request import GenerationRequest
from webui.engine.device import free_cache
from webui.engine.memory.seats import Seats
from webui.plugins.loader import load_plugins

MODES = ("none", "automatic", "medvram", "lowvram")


@pytest.fixture(scope="module")
def plugins():
    """The built-in plugins, as the worker loads them."""
    return load_plugins((), "worker")


@pytest.fixture(scope="module")
def request_of_the_starter():
    return GenerationRequest(
        prompt="a red circle above a blue square", sampler_name="Euler", scheduler="Automatic", steps=8, width=256,
        height=256, seed=7, checkpoint=STARTER.name,
    )  # fmt: skip


def engine(folder, registry, plugins, mode):
    return running(folder, registry, plugins, device="cuda:0", precision="fp32", vram_mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_the_picture_is_the_same_wherever_the_weights_wait(registry, plugins, request_of_the_starter, mode):
    made = {}
    for each in ("none", mode):
        with engine(STARTER.parent, registry, plugins, each) as bench:
            [pictures] = bench.make(request_of_the_starter)
            made[each] = pixels(pictures[0])
    assert abs(made["none"] - made[mode]).max() <= 1


def test_between_jobs_the_less_memory_is_asked_for_the_less_is_held(registry, plugins, request_of_the_starter):
    held = {}
    for mode in ("none", "medvram", "lowvram"):
        with engine(STARTER.parent, registry, plugins, mode) as bench:
            bench.make(request_of_the_starter)
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            bench.make(request_of_the_starter)
            held[mode] = torch.cuda.max_memory_allocated()
        torch.cuda.empty_cache()
    assert held["lowvram"] <= held["medvram"] < held["none"]


def test_a_network_by_blocks_has_no_more_than_a_block_on_the_card(cuda):
    layers = [torch.nn.Linear(2048, 2048, bias=False) for _ in range(8)]
    network = torch.nn.Sequential(torch.nn.ModuleList(layers)).requires_grad_(False)
    network.forward = lambda x: [x := layer(x) for layer in layers][-1]
    x = torch.randn(4, 2048)
    right = network(x)
    seats = Seats(cuda)
    seats.seat(network, by_blocks=True, least_block=1)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    answer = network(x)
    assert torch.allclose(answer.cpu(), right, atol=1e-3)
    # Two at a time at most: the next one's memory may be taken before the last one's is known to be free.
    assert torch.cuda.max_memory_allocated() - before < 3 * 2048 * 2048 * 4
    assert all(layer.weight.is_pinned() for layer in layers)


def test_ram_that_a_card_reads_from_is_given_back(cuda):
    held = torch.cuda.host_memory_stats
    free_cache(cuda)
    before = held()["allocated_bytes.current"]
    network = torch.nn.Linear(4096, 4096, bias=False)
    Seats(cuda).seat(network)
    assert network.weight.is_pinned()
    del network
    gc.collect()
    free_cache(cuda)
    assert held()["allocated_bytes.current"] <= before


def test_a_real_shortage_climbs_the_ladder_and_the_next_job_runs(registry, plugins, request_of_the_starter):
    with engine(STARTER.parent, registry, plugins, "none") as bench:
        [right] = bench.make(request_of_the_starter)
        total = torch.cuda.mem_get_info()[1]
        used = torch.cuda.memory_reserved()
        large = request_of_the_starter.but(width=1024, height=1024, batch_size=4, steps=2)
        try:
            # As much as the weights, and a gigabyte to compute in.
            torch.cuda.set_per_process_memory_fraction(min(1.0, (used + 2**30) / total))
            bench.engine.submit("large", large)
            end = bench.heard.end("large")
            [again] = bench.make(request_of_the_starter)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        assert isinstance(end, Finished) and end.pictures == 4, end
        assert bench.heard.of("large", Note)
        assert abs(pixels(again[0]) - pixels(right[0])).max() <= 1


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_network_computes_from_ram(tmp_path, registry, plugins, mode):
    singles.write(singles.sd("sdxl").tensors(), tmp_path / "sdxl.safetensors")
    with engine(tmp_path, registry, plugins, mode) as bench:
        [pictures] = bench.make(
            GenerationRequest(prompt="a house", sampler_name="Euler a", scheduler="Automatic", steps=2, width=64,
                              height=64, seed=7, checkpoint="sdxl", clip_skip=2)
        )  # fmt: skip
    assert pixels(pictures[0]).shape == (64, 64, 3)
