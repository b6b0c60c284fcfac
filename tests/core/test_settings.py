"""Settings survive crashes and damage, and refuse what they cannot take with a sentence."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from webui.core.errors import InvalidField, NotAllowed, StorageProblem
from webui.core.language_fields import LANGUAGE_OPTIONS
from webui.core.paths import PROGRAM_DIR
from webui.core.sampler_fields import OPTIONS, setting_of
from webui.core.setting_rows import SPEED
from webui.core.settings import Settings, SettingsStore, check_settings, environment_values
from webui.core.speed_fields import SPEED_OPTIONS

OF_FIELDS = {setting_of(name): row for name, row in {**OPTIONS, **SPEED_OPTIONS, **LANGUAGE_OPTIONS}.items()}


SPEEDS = [
    name
    for name, info in Settings.model_fields.items()
    if isinstance(extra := info.json_schema_extra, dict) and extra["section"] == SPEED
]
OFF = {"cfg_end": 1.0}
"""What stands for off where it is not 0 or False."""
NUMBERS = {"hypertile_max_depth_unet", "hypertile_max_tile_unet", "hypertile_swap_size_unet"}
"""How an option that is off by itself would work."""


@pytest.mark.parametrize("name", sorted(set(SPEEDS) - NUMBERS))
def test_each_speed_option_is_off_and_its_help_names_what_it_costs_and_whose_it_is(name: str) -> None:
    info = Settings.model_fields[name]
    assert info.default == OFF.get(name, False)
    said = str(info.description)
    assert re.search(r"\([^()]*(A1111's|torch\.|diffusers'|HyperTile by|20\d\d)[^()]*\)\.$", said), "its source"
    costs = "differ|change|detail|lost|further from|variety"
    assert re.search(costs, said), "what it does to the picture"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "settings.json"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_documented_and_comes_back_from_the_file(name: str, path: Path) -> None:
    field = Settings.model_fields[name]
    assert field.title and field.description
    schema = Settings.model_json_schema()["properties"][name]
    assert schema["section"] and schema["title"] == field.title
    other: dict[type[Any], Any] = {
        bool: not field.default,
        int: 7,
        float: 7.5,
        str: {"theme": "light", "show_progress_type": "Full", "localization": "de"}.get(name, "x"),
        tuple: ("x",),
        dict: {"demo": {"shift": 2, "mode": "left", "size": 0.5, "on": True}},
    }
    if name.endswith("_precision"):
        other[str] = "fp8"
    if name == "randn_source":
        other[str] = "NV"
    row = OF_FIELDS.get(name)
    other |= (
        {str: row.choices[-1]}
        if row and row.choices
        else dict.fromkeys((float, int), row.minimum if row.default == row.maximum else row.maximum)
        if row
        else {}
    )
    value = other[type(field.default)]
    SettingsStore(path).update({name: value})
    assert getattr(SettingsStore(path).current, name) == value
    assert list(json.loads(path.read_text("utf-8"))) == [name]


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name not in OF_FIELDS])
def test_each_setting_is_read_by_the_program(name: str) -> None:
    """Those of fields are read as one: tests/accept/test_options.py and test_speed.py."""
    texts = [path.read_text("utf-8") for path in (PROGRAM_DIR / "webui").rglob("*.py") if path.name != "settings.py"]
    assert any(f"urrent.{name}" in text or f"ettings.{name}" in text for text in texts)


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        ({"png_compress_level": 10}, "png_compress_level", "PNG compression must be less than or equal to 9"),
        ({"png_compress_level": "many"}, "png_compress_level", "PNG compression must be a valid integer"),
        ({"theme": "pink"}, "theme", "'system', 'light' or 'dark'"),
        ({"sd_model_checkpoint": "x" * 501}, "sd_model_checkpoint", "Checkpoint is wrong: .* 500"),
        ({"png_compres_level": 1}, "png_compres_level", "Did you mean 'png_compress_level'"),
        ({"theme": "dark", "max_waiting_visitor": 0}, "max_waiting_visitor", "greater than or equal to 1"),
        ({"eta_ancestral": 5}, "eta_ancestral", "Eta for k-diffusion samplers must be less than or equal to 1"),
        ({"sigma_min": 2, "sigma_max": 1}, "sigma_min", "Sigma min is 2; it must be above 0 and below sigma max"),
    ],
)
def test_a_wrong_value_changes_nothing(path: Path, values: dict[str, Any], field: str, expected: str) -> None:
    store = SettingsStore(path)
    with pytest.raises(InvalidField, match=expected) as caught:
        store.update(values)
    assert caught.value.field == field
    assert store.current == Settings()
    assert not path.exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '"x"', '{"theme": "dark"', b"\xff\xfe\x00"])
def test_a_damaged_file_is_set_aside_and_kept(path: Path, damage: str | bytes) -> None:
    path.parent.mkdir()
    data = damage if isinstance(damage, bytes) else damage.encode()
    path.write_bytes(data)
    store = SettingsStore(path)
    assert store.current == Settings()
    (aside,) = path.parent.glob("settings.damaged-*.json")
    assert aside.read_bytes() == data
    assert store.message and aside.name in store.message
    store.update({"theme": "dark"})
    assert SettingsStore(path).message is None


def test_one_wrong_value_in_the_file_costs_only_itself(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"theme": "pink", "png_compress_level": 3}', "utf-8")
    store = SettingsStore(path)
    assert store.current == Settings(png_compress_level=3)
    assert store.message and "Theme must be" in store.message
    assert SettingsStore(path).message is None
    assert SettingsStore(path).current.png_compress_level == 3


def test_names_of_a_newer_version_stay_in_the_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"of_tomorrow": [1], "theme": "dark"}', "utf-8")
    store = SettingsStore(path)
    store.update({"png_compress_level": 3})
    assert json.loads(path.read_text("utf-8")) == {"of_tomorrow": [1], "theme": "dark", "png_compress_level": 3}


def test_environment_and_flags_lie_over_the_file_and_are_never_saved(path: Path) -> None:
    SettingsStore(path).update({"theme": "light", "png_compress_level": 3})
    given = environment_values(
        {"DARKROOM_THEME": "dark", "DARKROOM_DISABLED_EXTENSIONS": "a, b,", "DARKROOM_ELSE": "1", "THEME": "x"}
    )
    store = SettingsStore(path, given)
    assert store.current == Settings(theme="dark", png_compress_level=3, disabled_extensions=("a", "b"))
    with pytest.raises(InvalidField, match="DARKROOM_THEME"):
        store.update({"theme": "light"})
    store.update({"theme": "dark", "png_compress_level": 4})
    assert SettingsStore(path).current == Settings(theme="light", png_compress_level=4)


def test_a_wrong_environment_is_refused_at_the_start(path: Path) -> None:
    with pytest.raises(InvalidField, match="must be a valid boolean"):
        SettingsStore(path, environment_values({"DARKROOM_LIVE_PREVIEWS_ENABLE": "perhaps"}))


def test_a_frozen_store_takes_no_change(path: Path) -> None:
    store = SettingsStore(path, frozen=True)
    store.update({"theme": "system"})
    with pytest.raises(NotAllowed, match="--freeze-settings"):
        store.update({"theme": "dark"})


def test_a_crash_while_writing_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SettingsStore(path)
    store.update({"theme": "dark"})

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageProblem, match="No space left on device"):
        store.update({"theme": "light"})
    assert store.current.theme == "dark"
    assert SettingsStore(path).current.theme == "dark"
    assert [found.name for found in path.parent.iterdir()] == ["settings.json"]


def test_changes_from_many_threads_all_arrive(path: Path) -> None:
    store = SettingsStore(path)
    changes: list[dict[str, Any]] = [
        {"theme": "dark"},
        {"png_compress_level": 5},
        {"max_waiting_visitor": 9},
        {"sd_model_checkpoint": "x"},
    ]
    threads = [threading.Thread(target=store.update, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {name: value for change in changes for name, value in change.items()}
    assert SettingsStore(path).current == check_settings(expected)
