"""How often the model is called, and over which levels, as A1111 counts."""

from __future__ import annotations

import pytest

from webui.engine.schedules import start_scale


def once(n: int) -> int:
    return n


def twice(n: int) -> int:
    """Two calls a step, one in the step that ends at 0."""
    return 2 * n - 1


def timesteps(n: int) -> int:
    """Entries of range(0, 1000, 1000 // n); DDIM walks from one to the next."""
    return len(range(0, 1000, 1000 // n))


A1111 = {
    "DPM++ 2M": once,
    "DPM++ SDE": twice,
    "DPM++ 2M SDE": once,
    "DPM++ 2M SDE Heun": once,
    "DPM++ 2S a": twice,
    "DPM++ 3M SDE": once,
    "Euler a": once,
    "Euler": once,
    "LMS": once,
    "Heun": twice,
    "DPM2": twice,
    "DPM2 a": twice,
    "DPM fast": once,
    "Restart": twice,
    "HeunPP2": lambda n: 3 * n - 3 if n > 1 else 1,
    "IPNDM": once,
    "IPNDM_V": once,
    "DEIS": once,
    "DDIM": lambda n: timesteps(n) - 1,
    "DDIM CFG++": lambda n: timesteps(n) - 1,
    "PLMS": timesteps,
    "UniPC": timesteps,
    "LCM": once,
    "DDPM": once,
}


@pytest.mark.parametrize("name", A1111)
@pytest.mark.parametrize("steps", [2, 3, 8, 20, 30, 36])
def test_as_many_calls_as_a1111(name: str, steps: int, bench, start) -> None:
    row = bench.registry.samplers.get(name)
    sigmas = bench.levels(row, steps)
    x = start[:, :, :8, :8] * start_scale(row, sigmas[0], bench.model)
    _, asks = bench.drive(row, x, sigmas, bench.bent, steps=steps)
    assert len(asks) == A1111[name](steps)


def test_every_row_but_the_one_that_chooses_its_steps_is_counted(bench) -> None:
    built_in = {row.name for row in bench.registry.samplers if row.group == "Built in"}
    assert built_in - set(A1111) == {"DPM adaptive"}


def test_rows_of_second_order_are_those_that_a1111_marks(bench) -> None:
    marked = {row.name for row in bench.registry.samplers if row.order == 2}
    assert marked == {"DPM++ SDE", "DPM++ 2S a", "Heun", "DPM2", "DPM2 a", "Restart"}


def test_the_rows_that_ensd_counts_for(bench) -> None:
    marked = {row.name for row in bench.registry.samplers if row.uses_ensd}
    assert marked == {"DPM++ 2S a", "Euler a", "DPM2 a", "DPM fast", "DPM adaptive"}


def test_the_rows_that_s_noise_counts_for_are_those_that_a1111_hands_it_to(bench) -> None:
    marked = {row.name for row in bench.registry.samplers if "s_noise" in row.options}
    churned = {"Euler", "Heun", "DPM2"}
    noisy = {"DPM fast", "DPM2 a", "DPM++ 2S a", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"}
    assert marked == churned | noisy


def test_the_aliases_are_a1111s_and_forges(bench) -> None:
    aliases = {row.name: row.aliases for row in bench.registry.samplers if row.group == "Built in"}
    own = {"Restart", "HeunPP2", "IPNDM", "IPNDM_V", "DEIS", "DDIM", "PLMS", "UniPC", "DDPM"}
    assert {name for name, known in aliases.items() if known == (name.casefold(),)} == own
    assert aliases["DDIM CFG++"] == ("ddim_cfgpp",) and aliases["Euler a"] == ("k_euler_a", "k_euler_ancestral")
    assert all(known[0].startswith("k_") for name, known in aliases.items() if name not in {*own, "DDIM CFG++"})
