"""Noise on a CUDA card: the numbers of 'NV' are the card's own, and the source decides, not the place."""

from __future__ import annotations

import pytest
import torch

from webui.engine.noise import Drawing, LaneNoise

SHAPE = (4, 64, 64)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**32 + 5])
def test_nv_draws_what_the_card_draws(seed: int) -> None:
    torch.cuda.manual_seed(seed)
    noise = LaneNoise([seed], SHAPE, drawing=Drawing(source="NV"))
    for draw in (noise.start(), noise.normal(), noise.normal()):
        assert torch.allclose(draw[0], torch.randn(SHAPE, device="cuda").cpu(), atol=2e-5)


def test_nv_is_the_cards_as_far_as_it_draws_at_once() -> None:
    card = torch.cuda.get_device_properties(0)
    threads = card.max_threads_per_multi_processor * card.multi_processor_count
    count = threads // 64 * 64
    torch.cuda.manual_seed(3)
    theirs = torch.randn(count, device="cuda").cpu()
    drawn = LaneNoise([3], (1, 64, count // 64), drawing=Drawing(source="NV")).start()
    assert torch.allclose(drawn.flatten(), theirs, atol=2e-5)


def test_gpu_draws_on_the_card_for_each_picture_by_itself() -> None:
    drawing = Drawing(source="GPU", subseeds=(8, 9), strength=0.25, resized_from=(32, 96), delta=5)
    noise = LaneNoise([1, 2], SHAPE, "cuda", drawing)
    draws = [noise.start(), noise.normal()]
    for index, (seed, subseed) in enumerate(((1, 8), (2, 9))):
        own = Drawing(source="GPU", subseeds=(subseed,), strength=0.25, resized_from=(32, 96), delta=5)
        alone = LaneNoise([seed], SHAPE, "cuda", own)
        assert all(
            torch.equal(draw[index], one[0]) for draw, one in zip(draws, [alone.start(), alone.normal()], strict=True)
        )
    torch.cuda.manual_seed(6)
    assert torch.equal(
        LaneNoise([6], SHAPE, "cuda", Drawing(source="GPU")).start()[0], torch.randn(SHAPE, device="cuda")
    )


@pytest.mark.parametrize("source", ["CPU", "NV"])
def test_noise_of_the_cpu_is_the_same_on_the_card(source: str) -> None:
    here, there = (LaneNoise([5, 6], SHAPE, device, Drawing(source=source, delta=3)) for device in ("cpu", "cuda"))
    assert torch.equal(here.start(), there.start().cpu())
    assert torch.equal(here.normal(), there.normal().cpu())
    assert torch.equal(here.brownian(4.0, 3.0), there.brownian(4.0, 3.0).cpu())
