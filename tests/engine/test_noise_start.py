"""The noise that a picture begins with: sources, variation, another size's noise, and the seed of the steps' noise."""

from __future__ import annotations

import pytest
import torch

from webui.engine.generators import place_of
from webui.engine.noise import Drawing, LaneNoise
from webui.engine.philox import PhiloxGenerator
from webui.engine.start_noise import paste_centre, slerp

SHAPE = (4, 16, 24)
SOURCES = ("CPU", "GPU", "NV")


def start(seed: int, **drawing: object) -> torch.Tensor:
    return LaneNoise([seed], SHAPE, drawing=Drawing(**drawing)).start()[0]  # type: ignore[arg-type]


def randn(seed: int, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_slerp_is_exact_at_its_ends_and_keeps_the_strength_between_them() -> None:
    low, high = randn(1), randn(2)
    assert torch.equal(slerp(0.0, low, high), low) and torch.equal(slerp(1.0, low, high), high)
    directions = [noise / noise.norm(dim=1, keepdim=True) for noise in (low, high)]
    for strength in (0.1, 0.5, 0.9):
        middle = slerp(strength, *directions)
        assert torch.allclose(middle.norm(dim=1), torch.ones(4, 24), atol=1e-5), "on the arc, not on the chord"
        cosine = (middle * directions[0]).sum(1)
        angle = torch.acos((directions[0] * directions[1]).sum(1))
        assert torch.allclose(torch.acos(cosine), strength * angle, atol=1e-3)
    assert slerp(0.5, low, high).std() == pytest.approx(1.0, abs=0.05)
    assert ((low + high) / 2).std() < 0.75, "which a mean would not be"


def test_slerp_to_itself_is_itself() -> None:
    low = randn(1)
    assert torch.allclose(slerp(0.3, low, low.clone()), low, atol=1e-6)


@pytest.mark.parametrize("source", SOURCES)
def test_strength_0_is_the_seeds_noise_and_1_the_other_seeds(source: str) -> None:
    plain, other = start(5, source=source), start(9, source=source)
    assert torch.equal(start(5, source=source, subseeds=(9,), strength=0.0), plain)
    assert torch.equal(start(5, source=source, subseeds=(9,), strength=1.0), other)
    between = start(5, source=source, subseeds=(9,), strength=0.2)
    assert torch.equal(between, slerp(0.2, plain, other))


def test_sources_are_what_they_are_called() -> None:
    assert torch.equal(start(5), randn(5))
    assert torch.equal(start(5, source="GPU"), randn(5)), "a machine without a GPU draws on the CPU"
    card, host = torch.device("cuda"), torch.device("cpu")
    assert [place_of(source, card) for source in SOURCES] == [host, card, host]
    generator = PhiloxGenerator(5)
    noise = LaneNoise([5], SHAPE, drawing=Drawing(source="NV"))
    for draw in (noise.start(), noise.normal()):
        assert torch.equal(draw[0], torch.from_numpy(generator.normal(SHAPE)))


@pytest.mark.parametrize(
    ("old", "inside", "taken"),
    [
        ((8, 12), (slice(4, 12), slice(6, 18)), (slice(0, 8), slice(0, 12))),
        ((24, 12), (slice(0, 16), slice(6, 18)), (slice(4, 20), slice(0, 12))),
        ((16, 32), (slice(0, 16), slice(0, 24)), (slice(0, 16), slice(4, 28))),
    ],
)
def test_another_sizes_noise_stands_in_the_centre(old, inside, taken) -> None:
    made = start(5, resized_from=old)
    assert torch.equal(made[:, *inside], randn(5, (4, *old))[:, *taken])
    around = torch.ones(SHAPE, dtype=torch.bool)
    around[:, *inside] = False
    assert torch.equal(made[around], randn(5)[around]), "round it is the seed's own noise"


def test_odd_differences_go_where_a1111_has_them() -> None:
    """Its rule: half the difference, rounded down, also below zero."""
    new, old = torch.zeros(1, 8, 11), torch.arange(11 * 8.0).reshape(1, 11, 8) + 1
    paste_centre(new, old)
    assert torch.equal(new[0, :7, 1:9], old[0, 2:9]) and not new[0, 7].any()
    assert not new[0, :, 0].any() and not new[0, :, 9:].any()


def test_a_size_of_its_own_and_one_side_alone_change_nothing() -> None:
    for old in (SHAPE[1:], (0, 0), (0, 8), (8, 0)):
        assert torch.equal(start(5, resized_from=old), randn(5))


def test_variation_and_size_together() -> None:
    made = start(5, resized_from=(8, 12), subseeds=(9,), strength=0.4)
    assert torch.equal(made[:, 4:12, 6:18], slerp(0.4, randn(5, (4, 8, 12)), randn(9, (4, 8, 12))))


@pytest.mark.parametrize("source", SOURCES)
def test_a_delta_changes_the_steps_and_not_the_start(source: str) -> None:
    plain = LaneNoise([5], SHAPE, drawing=Drawing(source=source))
    moved = LaneNoise([5], SHAPE, drawing=Drawing(source=source, delta=31337))
    assert torch.equal(plain.start(), moved.start())
    steps = moved.normal()
    assert not torch.equal(plain.normal(), steps)
    assert torch.equal(steps, LaneNoise([5 + 31337], SHAPE, drawing=Drawing(source=source)).start())
    assert torch.equal(plain.brownian(3.0, 2.0), moved.brownian(3.0, 2.0))


@pytest.mark.parametrize("source", SOURCES)
def test_a_batch_is_its_pictures_alone(source: str) -> None:
    def made(seeds: list[int], subseeds: tuple[int, ...]) -> list[torch.Tensor]:
        drawing = Drawing(source, subseeds, 0.3, resized_from=(8, 30), delta=7)
        noise = LaneNoise(seeds, SHAPE, drawing=drawing)
        return [noise.start(), noise.normal(), noise.normal(), noise.brownian(5.0, 2.0)]

    together = made([1, 2**32 - 1, 1], (4, 5, 6))
    alone = [made([seed], (subseed,)) for seed, subseed in ((1, 4), (2**32 - 1, 5), (1, 6))]
    for number, draw in enumerate(together):
        assert torch.equal(draw, torch.cat([one[number] for one in alone]))
    assert not torch.equal(together[0][0], together[0][2]), "variations of one seed differ"
