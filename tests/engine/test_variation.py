"""How noise is drawn, from a request to its pictures: variations, sources, and the seed of the steps' noise."""

import pytest

from tests.engine.helpers import pixels


def difference(one, other):
    """The greatest difference between two pictures, in levels of 255."""
    return abs(pixels(one) - pixels(other)).max()


def test_a_variation_goes_from_one_seeds_picture_to_the_others(bench, ask):
    made = bench.make(
        ask(seed=7), ask(seed=7, subseed=9, subseed_strength=0.0), ask(seed=9),
        ask(seed=7, subseed=9, subseed_strength=1.0), ask(seed=7, subseed=9, subseed_strength=0.1),
    )  # fmt: skip
    plain, none, other, whole, some = (pictures[0] for pictures in made)
    assert difference(plain, none) <= 1 and difference(other, whole) <= 1
    assert difference(plain, other) > 8 < difference(plain, some)
    assert "Seed: 7" in whole.infotext


def test_the_pictures_of_a_job_vary_one_seed_and_are_the_same_alone(bench, ask):
    request = ask(
        seed=7, subseed=20, subseed_strength=0.5, n_iter=2, batch_size=2, sampler_name="Euler a",
        abilities="cfg,noise", seed_resize_from_w=96, seed_resize_from_h=64, eta_noise_seed_delta=5,
    )  # fmt: skip
    together, _, _ = bench.make(request, ask(seed=1), ask(seed=2, randn_source="NV"))
    assert [together[index].seed for index in range(4)] == [7] * 4
    assert "Variation seed: 23, Variation seed strength: 0.5, Seed resize from: 96x64" in together[3].infotext
    [alone] = bench.make(request.but(subseed=23, n_iter=1, batch_size=1, alone=True))
    assert difference(alone[0], together[3]) <= 1
    assert difference(together[0], together[3]) > 8


@pytest.mark.parametrize(("sampler", "differs"), [("Euler a", True), ("DPM++ 2M SDE", False)])
def test_the_steps_seed_counts_for_ancestral_samplers(bench, ask, sampler, differs):
    plain, moved = (pictures[0] for pictures in bench.make(
        ask(sampler_name=sampler), ask(sampler_name=sampler, eta_noise_seed_delta=31337)
    ))  # fmt: skip
    assert bool(difference(plain, moved) > 1) == differs


def test_each_source_draws_its_own(bench, ask):
    cpu, gpu, nv = (pictures[0] for pictures in bench.make(*(ask(randn_source=name) for name in ("CPU", "GPU", "NV"))))
    assert difference(cpu, gpu) <= 1, "a machine without a GPU"
    assert difference(cpu, nv) > 8
    assert "RNG: NV" in nv.infotext and "RNG: GPU" in gpu.infotext
