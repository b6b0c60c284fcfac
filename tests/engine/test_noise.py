"""Noise: each picture's own, the same alone and in a batch; Brownian motion exact in distribution and consistent."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.engine.model_schedule import DiscreteSchedule
from webui.engine.noise import BrownianMotion, LaneNoise
from webui.engine.schedules import karras

SHAPE = (4, 8, 12)
LARGE = (4, 128, 128)
SIGMAS = karras(12, DiscreteSchedule.scaled_linear())[:-1]


def walk(motion: BrownianMotion, levels: list[float]) -> list[np.ndarray]:
    """The increments between neighbours, not scaled to unit variance."""
    return [motion.increment(above, below) * math.sqrt(above - below) for above, below in pairwise(levels)]


def test_normal_is_torch_randn_of_the_seed() -> None:
    noise = LaneNoise([7, 2**32 - 1], SHAPE)
    draws = [noise.normal() for _ in range(3)]
    for index, seed in enumerate((7, 2**32 - 1)):
        torch.manual_seed(seed)
        for draw in draws:
            assert torch.equal(draw[index], torch.randn(SHAPE))


def test_a_lane_does_not_touch_the_global_generator() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    noise = LaneNoise([1], SHAPE)
    noise.normal()
    noise.brownian(2.0, 1.0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_picture_by_picture_a_batch_is_the_pictures_alone() -> None:
    seeds = [11, 12, 13, 11]
    batch = LaneNoise(seeds, SHAPE)
    alone = [LaneNoise([seed], SHAPE) for seed in seeds]
    for above, below in pairwise(SIGMAS):
        assert torch.equal(batch.normal(), torch.cat([noise.normal() for noise in alone]))
        assert torch.equal(batch.brownian(above, below), torch.cat([noise.brownian(above, below) for noise in alone]))
    together = batch.normal()
    assert torch.equal(together[0], together[3]) and not torch.equal(together[0], together[1])


def test_shapes_and_type() -> None:
    noise = LaneNoise([1, 2], SHAPE)
    for draw in (noise.normal(), noise.brownian(3.0, 0.5)):
        assert draw.shape == (2, *SHAPE) and draw.dtype == torch.float32 and draw.device.type == "cpu"


def test_steps_are_unit_normal_and_independent() -> None:
    motion = BrownianMotion(3, LARGE)
    steps = np.stack([motion.increment(a, b).ravel() for a, b in pairwise(SIGMAS)]).astype(float)
    count = steps.shape[1]
    assert np.abs(steps.mean(axis=1)).max() < 4.5 / math.sqrt(count)
    assert np.abs(steps.var(axis=1) - 1.0).max() < 4.5 * math.sqrt(2 / count)
    assert np.abs((steps**4).mean(axis=1) - 3.0).max() < 4.5 * math.sqrt(96 / count)
    correlation = steps @ steps.T / count - np.eye(len(steps))
    assert np.abs(correlation - np.diag(np.diag(correlation))).max() < 4.5 / math.sqrt(count)


def test_overlapping_steps_share_what_they_overlap() -> None:
    """Cov(W(8) - W(2), W(4) - W(1)) = 2, the length of [2, 4]."""
    motion = BrownianMotion(4, LARGE)
    first = motion.increment(8.0, 2.0).astype(float) * math.sqrt(6.0)
    second = motion.increment(4.0, 1.0).astype(float) * math.sqrt(3.0)
    assert np.mean(first * second) == pytest.approx(2.0, abs=0.12)


def test_points_within_one_leaf_are_exact_too() -> None:
    """Levels a thousandth apart, asked for in a muddled order: variances and covariances as the motion's own."""
    motion = BrownianMotion(5, LARGE)
    levels = [1.003, 1.001, 1.004, 1.0015, 1.002]
    for level in levels:
        motion.increment(level, 1.0045)
    levels.sort(reverse=True)
    steps = np.stack([motion.increment(a, b).ravel() for a, b in pairwise(levels)]).astype(float)
    assert np.abs(np.cov(steps) - np.eye(len(steps))).max() < 0.03


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.02, 4600.0), min_size=3, max_size=8, unique=True), st.randoms(use_true_random=False))
def test_parts_sum_to_the_whole_in_any_order_of_asking(levels: list[float], random) -> None:
    motion = BrownianMotion(9, (2, 3))
    muddled = list(levels)
    random.shuffle(muddled)
    for above, below in pairwise(muddled):
        motion.increment(above, below)
    levels = sorted(levels, reverse=True)
    whole = motion.increment(levels[0], levels[-1]) * math.sqrt(levels[0] - levels[-1])
    assert np.allclose(sum(walk(motion, levels)), whole, atol=1e-3)


def test_the_path_does_not_depend_on_the_steps() -> None:
    """So pictures of one seed with 12 and with 24 steps are kin: the motion between two levels is the same path."""
    fine = [2.0 ** (exponent / 4) for exponent in range(12, -13, -1)]
    one, two = BrownianMotion(6, LARGE), BrownianMotion(6, LARGE)
    coarse = walk(one, fine[::2])
    halves = walk(two, fine)
    for index, whole in enumerate(coarse):
        assert np.allclose(whole, halves[2 * index] + halves[2 * index + 1], atol=1e-4)


def test_backwards_is_the_negative() -> None:
    motion = BrownianMotion(1, SHAPE)
    assert np.array_equal(motion.increment(2.0, 5.0), -motion.increment(5.0, 2.0))


def test_from_nothing_and_from_far_up() -> None:
    motion = BrownianMotion(2, LARGE)
    assert np.var(motion.increment(0.03, 0.0)) == pytest.approx(1.0, abs=0.03)
    assert np.var(motion.increment(8192.0, 4518.0)) == pytest.approx(1.0, abs=0.03)


def test_seeds_give_unlike_motions() -> None:
    first, second = (BrownianMotion(seed, LARGE).increment(5.0, 4.0).astype(float) for seed in (1, 2))
    assert abs(np.mean(first * second)) < 0.02


@pytest.mark.parametrize("levels", [(1.0, 1.0), (-0.1, 1.0), (9000.0, 1.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_what_is_no_step_is_refused(levels: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="No Brownian increment"):
        BrownianMotion(1, SHAPE).increment(*levels)


def test_memory_stays_small() -> None:
    """A walk keeps the points it was asked for and one path of middles, not the tree."""
    motion = BrownianMotion(1, SHAPE)
    walk(motion, karras(150, DiscreteSchedule.scaled_linear())[:-1])
    asked = sum(len(levels) - 2 for levels, _ in motion._leaves.values())
    assert asked == 150
    assert len(motion._middles) <= 27
