"""Tables: rows found by name and alias, claims refused, and old sampler names split in two."""

from __future__ import annotations

import pytest

from webui.core.errors import DarkroomError, UnknownName
from webui.core.registry import Registry, Sampler, Schedule, Table

ROWS = [Sampler("DPM++ 2M", "m:f", ("k_dpmpp_2m",), "Karras"), Sampler("Euler", "m:g", ("k_euler",))]


def test_rows_are_found_without_regard_to_case_and_by_alias() -> None:
    table = Table("sampler", ROWS)
    assert table.get("dpm++ 2m") is table.get("K_DPMPP_2M") is ROWS[0]
    assert "EULER" in table and "Heun" not in table
    assert table.names() == ["DPM++ 2M", "Euler"] and list(table) == ROWS and len(table) == 2


def test_an_unknown_row_names_the_field_and_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'Euler'") as caught:
        Table("sampler", ROWS, "sampler_name").get("Eular")
    assert caught.value.field == "sampler_name"


@pytest.mark.parametrize("row", [Sampler("euler", "x:y"), Sampler("New", "x:y", ("K_EULER",))])
def test_two_rows_of_one_name_are_refused_and_leave_the_table_as_it_was(row: Sampler) -> None:
    table = Table("sampler", ROWS)
    with pytest.raises(DarkroomError, match="claim the name"):
        table.add(row)
    assert table.names() == ["DPM++ 2M", "Euler"]
    assert "New" not in table


def test_every_built_in_sampler_names_a_schedule_that_exists(registry: Registry) -> None:
    assert len(registry.samplers) >= 6
    for sampler in registry.samplers:
        assert sampler.schedule in registry.schedules


def test_every_sampler_and_schedule_in_one_old_name_is_split(registry: Registry) -> None:
    for sampler in registry.samplers:
        for name in (sampler.name, *sampler.aliases, sampler.name.upper()):
            assert registry.split_sampler(name) == (sampler.name, None)
            for schedule in registry.schedules:
                joined = f"{name} {schedule.name}"
                if joined not in registry.samplers:
                    assert registry.split_sampler(joined) == (sampler.name, schedule.name)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("DPM++ 2M Karras", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Exponential", ("DPM++ 2M SDE", "Exponential")),
        ("dpm++ 2m sde karras", ("DPM++ 2M SDE", "Karras")),
        ("k_dpmpp_2m_karras", ("DPM++ 2M", "Karras")),
        ("Euler SGM Uniform", ("Euler", "SGM Uniform")),
        (" DPM++ 2M Karras ", ("DPM++ 2M", "Karras")),
        ("Euler a\n", ("Euler a", None)),
        ("k_dpmpp_2m_ka", ("DPM++ 2M", "Karras")),
        ("k_dpmpp_sde_ka", ("DPM++ SDE", "Karras")),
        ("k_dpmpp_2m_sde_ka", ("DPM++ 2M SDE", "Karras")),
        ("k_dpmpp_2m_sde_exp", ("DPM++ 2M SDE", "Exponential")),
        ("k_dpmpp_2m_sde_heun_ka", ("DPM++ 2M SDE Heun", "Karras")),
        ("k_dpmpp_2m_sde_heun_exp", ("DPM++ 2M SDE Heun", "Exponential")),
        ("k_dpmpp_3m_sde_ka", ("DPM++ 3M SDE", "Karras")),
        ("k_dpmpp_3m_sde_exp", ("DPM++ 3M SDE", "Exponential")),
        ("k_dpmpp_2s_a_ka", ("DPM++ 2S a", "Karras")),
        ("k_dpm_2_ka", ("DPM2", "Karras")),
        ("k_dpm_2_a_ka", ("DPM2 a", "Karras")),
        ("K_LMS_KA", ("LMS", "Karras")),
    ],
)
def test_old_names(registry: Registry, name: str, split: tuple[str, str | None]) -> None:
    assert registry.split_sampler(name) == split


@pytest.mark.parametrize("name", ["", " ", "Karras", "_ka", "Nonsense Karras", "Euler ka", "Undefined"])
def test_what_is_no_sampler_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(UnknownName):
        registry.split_sampler(name)


def test_a_schedule_row_is_a_row_too() -> None:
    assert Table("schedule", [Schedule("Karras", "m:f")]).get("karras").function == "m:f"
