"""Every row of the samplers' table, a new one too: its asks, the exact solution for a Gaussian, and independence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from webui.core.registry import Sampler
from webui.core.sampler_fields import OF_LEVELS
from webui.engine.noise import LaneNoise
from webui.engine.samplers.base import Answer, Option, SamplerContext
from webui.engine.schedules import start_scale
from webui.plugins.builtin.samplers import samplers
from webui.plugins.resolve import resolve

ROWS = samplers()
# They take a latent's sudden move for a bend of its path, whose slopes they remember.
REMEMBER_SLOPES = {"LMS", "LMS (diffusers)", "IPNDM", "IPNDM_V", "DEIS", "PLMS"}
each_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


class Silence:
    """Noise that must not be asked for."""

    def normal(self) -> torch.Tensor:
        raise AssertionError("a sampler without randomness drew noise")

    def brownian(self, sigma: float, sigma_next: float) -> torch.Tensor:
        raise AssertionError("a sampler without randomness drew noise")


def is_random(row: Sampler, bench, start: torch.Tensor) -> bool:
    noise = bench.CountedNoise(tuple(start.shape))
    bench.drive(row, start * 10.0, [*geometric(24), 0.0], bench.bent, noise)
    return bool(noise.drawn)


def skip_where_models_know_the_step(row: Sampler) -> None:
    if row.name == "TCD (diffusers)":
        pytest.skip("its long steps are right only for models that were trained to make them")


def chooses_steps(row: Sampler) -> bool:
    """Whether its error does not depend on the levels that it is given."""
    return row.name == "DPM adaptive"


def geometric(steps: int, top: float = 10.0, end: float = 0.5) -> list[float]:
    return [top * (end / top) ** (index / steps) for index in range(steps + 1)]


@each_row
@pytest.mark.parametrize("steps", [1, 2, 3, 20, 36, 150])
def test_any_number_of_steps_is_told_step_by_step(row: Sampler, steps: int, bench) -> None:
    sigmas = bench.levels(row, steps)
    x = LaneNoise((3, 4), (4, 8, 8)).normal() * start_scale(row, sigmas[0], bench.model)
    final, asks = bench.drive(row, x, sigmas, bench.bent, steps=steps)
    assert torch.isfinite(final).all()
    told = [ask.step for ask in asks]
    assert told == sorted(told)
    # Steps that the sampler chooses itself may be longer than those that are told.
    assert set(told) == set(range(len(sigmas) - 1)) or (chooses_steps(row) and set(told) < set(range(len(sigmas) - 1)))
    assert all(type(ask.sigma) is float and ask.sigma > 0.0 for ask in asks)
    assert all(ask.x.dtype == torch.float32 and ask.x.shape[1:] == x.shape[1:] for ask in asks)
    assert all(len(ask.x) == (len(x) if ask.place is None else 1) for ask in asks)


@each_row
@pytest.mark.parametrize("eta", [0.0, 5.0])
def test_any_eta_gives_numbers(row: Sampler, eta: float, bench) -> None:
    sigmas = bench.levels(row, 20)
    x = LaneNoise((3, 4), (4, 8, 8)).normal() * start_scale(row, sigmas[0], bench.model)
    final, _ = bench.drive(row, x, sigmas, bench.Gaussian().denoise, options={"eta": eta, "eta_ddim": eta}, steps=20)
    assert torch.isfinite(final).all() and final.abs().max() < 20.0


@each_row
def test_first_ask_is_the_start(row: Sampler, bench, start) -> None:
    _, asks = bench.drive(row, start * 10.0, geometric(5), bench.bent)
    assert asks[0].sigma == 10.0
    assert torch.allclose(asks[0].x, start[: len(asks[0].x)] * 10.0, rtol=1e-6)


@each_row
def test_a_step_to_zero_ends_on_the_answer(row: Sampler, bench, start) -> None:
    """With a denoiser that always answers one picture, every sampler ends on that picture."""
    picture = torch.linspace(-2, 2, start[0].numel()).reshape(1, *start.shape[1:])
    final, _ = bench.drive(row, start * 10.0, [*geometric(8), 0.0], lambda x, sigma: picture.expand_as(x))
    assert torch.allclose(final, picture.expand_as(start), atol=1e-5)


@each_row
def test_mean_and_spread_of_a_gaussian(row: Sampler, bench) -> None:
    skip_where_models_know_the_step(row)
    data = bench.Gaussian()
    sigmas = bench.levels(row, 100)
    noise = LaneNoise(range(4), (4, 48, 48))
    x = noise.normal() * start_scale(row, sigmas[0], bench.model)
    final, _ = bench.drive(row, x, sigmas, bench.denoiser_for(row, data), noise, steps=100)
    assert abs(final.mean().item() - data.mean) < 0.03
    assert abs(final.std().item() / data.spread - 1.0) < 0.07


@each_row
def test_converges_to_the_exact_path_or_the_exact_spread(row: Sampler, bench, start) -> None:
    """Halving the steps' length at least nearly halves the error, in the path or, with noise, in the spread."""
    skip_where_models_know_the_step(row)
    data = bench.Gaussian()
    random = is_random(row, bench, start)
    errors = []
    for steps in (20, 40, 80):
        sigmas = geometric(steps)
        noise = LaneNoise(range(8), (4, 64, 64)) if random else Silence()
        x = noise.normal() * math.hypot(sigmas[0], data.spread) + data.mean if random else start * 10.0
        final, _ = bench.drive(row, x, sigmas, bench.denoiser_for(row, data), noise)
        if row.uses_timesteps:
            final = final * math.hypot(1.0, sigmas[-1])
        if random:
            errors.append(abs(final.std().item() - math.hypot(data.spread, sigmas[-1])))
        else:
            errors.append((final - data.flow(x, sigmas[0], sigmas[-1])).abs().max().item())
    # Of the noise drawn; of single precision; of a sampler's own control of its steps.
    sampling_error = 0.02 if chooses_steps(row) else 0.004 if random else 2e-5
    assert errors[1] < 0.6 * errors[0] + sampling_error
    assert errors[2] < 0.6 * errors[1] + sampling_error


@each_row
def test_a_picture_in_a_batch_is_the_picture_alone(row: Sampler, bench) -> None:
    def pictures(seeds: Sequence[int]) -> torch.Tensor:
        sigmas = bench.levels(row, 12)
        noise = LaneNoise(seeds, (4, 16, 24))
        x = noise.normal() * start_scale(row, sigmas[0], bench.model)
        return bench.drive(row, x, sigmas, bench.bent, noise, steps=12)[0]

    together = pictures((5, 6, 7))
    for index, seed in enumerate((5, 6, 7)):
        assert torch.allclose(together[index], pictures((seed,))[0], atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=0.1)


@each_row
def test_lanes_that_take_turns_do_not_disturb_each_other(row: Sampler, bench, start) -> None:
    tables = [bench.levels(row, 9), bench.levels(row, 14, "Karras")]
    alone = [bench.drive(row, start * sigmas[0], sigmas, bench.bent)[0] for sigmas in tables]
    lanes = [
        resolve(row.function)(
            start * sigmas[0],
            SamplerContext(sigmas, len(sigmas) - 1, LaneNoise(range(2), start.shape[1:]), bench.model),
        )
        for sigmas in tables
    ]
    asks, finals = [next(lane) for lane in lanes], [None, None]
    while None in finals:
        for index, lane in enumerate(lanes):
            if finals[index] is None:
                try:
                    asks[index] = lane.send(Answer(bench.bent(asks[index].x, asks[index].sigma)))
                except StopIteration as end:
                    finals[index] = end.value
    for final, expected in zip(finals, alone, strict=True):
        assert torch.equal(final, expected)


@each_row
def test_every_option_that_the_row_names_is_read_and_no_other(row: Sampler, bench, start) -> None:
    base = {"eta": 0.5, "eta_ddim": 0.5, "s_churn": 3.0, "s_tmin": 0.0, "s_tmax": 0.0, "s_noise": 1.0}
    other = {"eta": 0.9, "eta_ddim": 0.9, "s_churn": 6.0, "s_tmin": 5.0, "s_tmax": 5.0, "s_noise": 1.1}
    words = {"uni_pc_variant": "bh2", "uni_pc_order": 2, "uni_pc_lower_order_final": False}

    def run(options: dict[str, Option]) -> torch.Tensor:
        return bench.drive(row, start * 10.0, geometric(24), bench.bent, options=options)[0]

    expected = run(base)
    assert set(row.options) - set(OF_LEVELS) <= {*other, *words}
    for name, value in {**other, **words}.items():
        changed = not torch.equal(run({**base, name: value}), expected)
        assert changed == (name in row.options), name


@each_row
def test_the_input_is_left_as_it_was(row: Sampler, bench, start) -> None:
    x = start * 10.0
    kept = x.clone()
    bench.drive(row, x, geometric(4), bench.bent)
    assert torch.equal(x, kept)


@each_row
def test_what_a_hook_writes_into_the_first_ask_of_a_step_is_kept(row: Sampler, bench, start) -> None:
    """Towards one fixed picture the way is straight, so a shift at one level ends as its share of the last level."""
    sigmas = geometric(8)
    noise = bench.CountedNoise(tuple(start.shape))
    bench.drive(row, start * 10.0, sigmas, bench.bent, noise, {"eta": 0.0})
    if noise.drawn or chooses_steps(row):
        pytest.skip("its way is not straight, whatever its options")

    def end(shift_at: int | None) -> torch.Tensor:
        context = SamplerContext(sigmas, 8, Silence(), bench.model, {"eta": 0.0})
        sampling = resolve(row.function)(start * sigmas[0], context)
        ask, before = next(sampling), -1
        while True:
            if ask.step == shift_at and ask.step != before:
                ask.x.add_(0.5)
            before = ask.step
            try:
                ask = sampling.send(Answer(torch.full_like(start, 0.2)))
            except StopIteration as finish:
                return finish.value * (math.hypot(1.0, sigmas[-1]) if row.uses_timesteps else 1.0)

    plain = end(None)
    for step in (0, 3, 7):
        kept, straight = end(step) - plain, torch.full_like(start, 0.5 * sigmas[-1] / sigmas[step])
        if step == 0 or row.name not in REMEMBER_SLOPES:
            assert torch.allclose(kept, straight, atol=1e-4)
        assert kept.abs().min() > 1e-3
