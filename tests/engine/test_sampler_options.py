"""Options of samplers and schedules, from a request to its pictures: each changes what it names, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.engine.helpers import pixels
from webui.core.errors import InvalidField
from webui.core.events import Failed
from webui.core.sampler_fields import OF_LEVELS, OPTIONS, SAMPLER_ROWS
from webui.core.sampler_options import counting
from webui.engine.model_schedule import DiscreteSchedule, FlowSchedule
from webui.engine.noise import LaneNoise
from webui.engine.samplers.base import Answer, SamplerContext
from webui.engine.schedules import NO_OPTIONS, ScheduleOptions, noise_levels, start_scale
from webui.plugins.resolve import resolve

SD1 = DiscreteSchedule.scaled_linear()
FLOW = FlowSchedule(shift=3.0)
OTHER: dict[str, Any] = {
    "eta": 0.5, "eta_ddim": 0.5, "s_churn": 2.5, "s_tmin": 2.0, "s_tmax": 0.5, "s_noise": 1.1, "sigma_min": 0.1,
    "sigma_max": 0.9, "rho": 3.0, "beta_dist_alpha": 0.4, "beta_dist_beta": 0.4,
    "always_discard_next_to_last_sigma": True, "sgm_noise_multiplier": True, "uni_pc_variant": "bh2",
    "uni_pc_skip_type": "logSNR", "uni_pc_order": 2, "uni_pc_lower_order_final": False,
}  # fmt: skip


def differ(one: Any, other: Any) -> bool:
    """Whether two pictures are more than a rounding apart."""
    return bool(abs(pixels(one) - pixels(other)).max() > 1)


def test_without_eta_euler_a_is_euler(bench: Any, ask: Any) -> None:
    quiet, euler, noisy = (
        made[0]
        for made in bench.make(
            ask(sampler_name="Euler a", eta=0.0, abilities="cfg,noise"),
            ask(sampler_name="Euler"),
            ask(sampler_name="Euler a"),
        )
    )
    assert not differ(quiet, euler) and differ(noisy, euler)
    assert "Eta: 0," in quiet.infotext and "Eta" not in noisy.infotext + euler.infotext


def test_with_eta_ddim_is_another_picture_and_eta_is_not_its_own(bench: Any, ask: Any) -> None:
    ddim = ask(sampler_name="DDIM", scheduler="Automatic")
    plain, noisy, other = (made[0] for made in bench.make(ddim, ddim.but(eta_ddim=1.0), ddim.but(eta=0.0)))
    assert differ(plain, noisy) and not differ(plain, other)


def test_churn_and_rho_change_what_reads_them_alone(bench: Any, ask: Any) -> None:
    def pair(**values: Any) -> bool:
        name, value = values.popitem()
        request = ask(**values)
        one, other = (made[0] for made in bench.make(request, request.but(**{name: value})))
        return differ(one, other)

    assert pair(sampler_name="Euler", s_churn=20.0) and not pair(sampler_name="Euler a", s_churn=20.0)
    assert pair(scheduler="Karras", rho=3.0) and not pair(scheduler="Exponential", rho=3.0)
    assert not pair(scheduler="Automatic", rho=3.0) and not pair(scheduler="Beta", rho=3.0)
    assert pair(scheduler="Karras", sigma_max=8.0) and not pair(scheduler="Simple", sigma_max=8.0)
    assert pair(sampler_name="Euler", always_discard_next_to_last_sigma=True)
    assert pair(sampler_name="UniPC", uni_pc_order=1) and pair(sampler_name="UniPC", uni_pc_skip_type="logSNR")


def test_pictures_with_options_are_the_same_alone_and_beside_others(bench: Any, ask: Any) -> None:
    request = ask(sampler_name="Euler", scheduler="Karras", s_churn=20.0, s_noise=1.05, rho=5.0, batch_size=2)
    together, _ = bench.make(request, ask(sampler_name="Euler a", eta=0.3, seed=9))
    [alone] = bench.make(request.but(alone=True))
    assert not differ(together[0], alone[0]) and not differ(together[1], alone[1])


def test_what_only_the_worker_can_know_fails_with_a_sentence(bench: Any, ask: Any) -> None:
    bench.engine.submit("job", ask(scheduler="Karras", sigma_min=20.0))
    end = bench.heard.end("job")
    assert isinstance(end, Failed) and end.problem.field == "sigma_min"
    assert end.problem.detail == "Sigma min is 20; it must be above 0 and below sigma max, which is 14.6146."
    [made] = bench.make(ask())
    assert made[0], "and the next job runs"


def run(registry: Any, sampler: str, scheduler: str, model: Any, steps: int, values: dict[str, Any]) -> torch.Tensor:
    """A latent of a bent denoiser, made as the engine does it."""
    row, schedule = registry.samplers.get(sampler), registry.schedules.get(scheduler)
    options = ScheduleOptions(**{name: value for name, value in values.items() if hasattr(NO_OPTIONS, name)})
    sigmas = noise_levels(row, schedule, steps, model, registry, resolve, options)
    noise = LaneNoise((3,), (4, 8, 8))
    x = noise.start() * start_scale(row, sigmas[0], model, options)
    asked = {name: values.get(name, OPTIONS[name].default) for name in row.options}
    sampling = resolve(row.function)(x, SamplerContext(sigmas, steps, noise, model, asked))
    ask = next(sampling)
    while True:
        try:
            ask = sampling.send(Answer(torch.tanh(ask.x / (1.0 + ask.sigma)) * (1.0 + 0.1 * ask.sigma)))
        except StopIteration as end:
            latent: torch.Tensor = end.value
            return latent


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize(
    "sampler", ["DPM++ 2M", "DPM++ 3M SDE", "Euler a", "Heun", "DPM2", "UniPC", "LCM", "DDIM", "Euler"]
)
def test_what_is_said_to_count_is_what_changes_the_latent(registry: Any, sampler: str, flow: bool) -> None:
    model: Any = FLOW if flow else SD1
    for scheduler in ("Automatic", "Karras", "Uniform", "Beta"):
        # With some noise its limits and its size count.
        some = {"s_churn": 1.0, "eta_ddim": 0.2}
        base = {name: value for name, value in some.items() if name in registry.samplers.get(sampler).options}
        plain = run(registry, sampler, scheduler, model, 10, base)
        row, schedule = registry.samplers.get(sampler), registry.schedules.get(scheduler)
        counts = counting(row, schedule, registry, flow=flow)
        for name, value in OTHER.items():
            other = run(registry, sampler, scheduler, model, 10, {**base, name: value})
            assert (other.shape != plain.shape or not torch.equal(other, plain)) == (name in counts), (scheduler, name)


@pytest.mark.parametrize("steps", [1, 2, 150])
@pytest.mark.parametrize("row", SAMPLER_ROWS, ids=[row.name for row in SAMPLER_ROWS])
def test_an_option_at_its_limits_gives_numbers_or_a_sentence(registry: Any, row: Any, steps: int) -> None:
    limits = row.choices or ((False, True) if row.kind == "bool" else (row.minimum, row.maximum))
    for sampler in (sampler for sampler in registry.samplers if row.name in sampler.options):
        for value in limits:
            if sampler.name != "DPM adaptive" or steps == 1:
                assert torch.isfinite(run(registry, sampler.name, "Automatic", SD1, steps, {row.name: value})).all()
    for schedule in (schedule for schedule in registry.schedules if row.name in schedule.options):
        for value in limits:
            try:
                levels = noise_levels(
                    registry.samplers.get("DPM++ 2M"), schedule, steps, SD1, registry, resolve,
                    ScheduleOptions(**{row.name: value}),
                )  # fmt: skip
            except InvalidField as refused:
                assert refused.field == row.name and refused.remedies
            else:
                assert levels == sorted(levels, reverse=True) and len(set(levels)) == len(levels)


def test_the_engines_options_of_schedules_are_the_fields() -> None:
    shared = {name: getattr(NO_OPTIONS, name) for name in OPTIONS if hasattr(NO_OPTIONS, name)}
    assert shared == {name: OPTIONS[name].default for name in shared}
    assert set(OF_LEVELS) < set(shared)


def test_levels_that_options_put_onto_each_other_are_refused_by_name(registry: Any) -> None:
    euler, schedule = registry.samplers.get("Euler"), registry.schedules.get("Polyexponential")
    with pytest.raises(
        InvalidField, match=r"With Rho 60\.0 two noise levels of this many steps are the same"
    ) as refused:
        noise_levels(euler, schedule, 20, SD1, registry, resolve, ScheduleOptions(rho=60.0))
    assert refused.value.field == "rho" and refused.value.remedies == ("Set Rho to 0.0",)
