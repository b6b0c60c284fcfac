"""What flags mean for the settings and the engine."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from webui.commands.common import begin, command_parser, engine_config, settings_store, table, with_flags
from webui.core.errors import InvalidField
from webui.core.options import Options


def options(home: Path, *arguments: str) -> Options:
    return begin(parsed(home, *arguments))


def parsed(home: Path, *arguments: str) -> argparse.Namespace:
    return with_flags(command_parser("x", "X.")).parse_args(["--data-dir", str(home), *arguments])


def test_flags_lie_over_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_THEME", "light")
    monkeypatch.setenv("DARKROOM_PNG_COMPRESS_LEVEL", "5")
    current = settings_store(options(home, "--theme", "dark")).current
    assert (current.theme, current.png_compress_level) == ("dark", 5)


def test_the_engine_gets_what_was_asked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_DISABLED_EXTENSIONS", "a")
    given = options(home, "--device-id", "1", "--precision", "half")
    config = engine_config(given, settings_store(given), warm=True)
    assert (config.device, config.precision) == ("cuda:1", "fp16")
    assert config.disabled_extensions == ("a",)
    assert config.model_folders == given.paths.model_folders
    assert config.warm_checkpoint == "", "whichever is the first"
    assert config.warm_precisions == dict.fromkeys(("denoiser", "text_encoder", "vae"), "Automatic")


def test_warming_may_be_left_out(home: Path) -> None:
    given = options(home, "--skip-load-model-at-start")
    assert engine_config(given, settings_store(given), warm=True).warm_checkpoint is None


def test_a_named_checkpoint_must_be_there(home: Path) -> None:
    sham = home / "models" / "Stable-diffusion" / "sham"
    given = options(home, "--ckpt", str(sham))
    assert engine_config(given, settings_store(given), warm=True).warm_checkpoint == "sham"
    with pytest.raises(InvalidField, match="not there"):
        settings_store(options(home, "--ckpt", str(sham.with_name("gone"))))


def test_a_wrong_variable_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_PNG_COMPRESS_LEVEL", "much")
    with pytest.raises(
        InvalidField, match=r"DARKROOM_PNG_COMPRESS_LEVEL cannot be used\. .* a valid integer\.$"
    ) as caught:
        settings_store(options(home))
    assert caught.value.remedies == ("Correct or unset DARKROOM_PNG_COMPRESS_LEVEL",)


def test_a_file_in_the_place_of_the_data_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(InvalidField, match="which is no folder"):
        settings_store(options(tmp_path / "file"))


def test_folders_that_are_not_there_are_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options(home, "--models-dir", str(home / "a"), "--ckpt-dir", str(home / "b"), "--ckpt-dir", str(home))
    assert [line.split()[:3] for line in capsys.readouterr().err.splitlines()] == [
        ["--models-dir", "names", str(home / "a") + ","],
        ["--ckpt-dir", "names", str(home / "b") + ","],
    ]


def test_notices_are_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options(home, "--upcast-sampling", "--controlnet-dir", "x")
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == [
        "--controlnet-dir",
        "--upcast-sampling",
    ]


def test_columns_stand_below_each_other() -> None:
    assert table([("a", "bb", ""), ("ccc", "d", "e")]) == "a    bb\nccc  d   e"
