"""The start's own flags are read, and the rest goes to the program."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from webui.bootstrap import main as start
from webui.bootstrap.main import read_plan
from webui.bootstrap.trouble import Trouble


def test_commandline_args_come_before_the_arguments() -> None:
    plan = read_plan(["--port", "1"], {"COMMANDLINE_ARGS": "--listen --data-dir '/a b'" if os.name != "nt" else ""})
    if os.name != "nt":
        assert plan.arguments == ("--listen", "--data-dir", "/a b", "--port", "1")
    assert plan.test is None


def test_an_open_quote_is_said() -> None:
    with pytest.raises(Trouble, match="Close its quotes") as caught:
        read_plan([], {"COMMANDLINE_ARGS": "--data-dir 'a"})
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("argv", "environ", "expected"),
    [
        (["--torch-index-url", "U"], {}, "U"),
        (["--torch-index-url=U"], {"TORCH_INDEX_URL": "V"}, "U"),
        ([], {"TORCH_INDEX_URL": "V"}, "V"),
        ([], {}, ""),
    ],
)
def test_torchs_index(argv: list[str], environ: dict[str, str], expected: str) -> None:
    assert read_plan(argv, environ).torch_index == expected


@pytest.mark.parametrize("argv", [["--torch-index-url"], ["--torch-index-url", "--listen"], ["--torch-index-url="]])
def test_torchs_index_needs_an_address(argv: list[str]) -> None:
    with pytest.raises(Trouble, match="address"):
        read_plan(argv, {})


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["test"], ()),
        (["test", "-k", "name", "--all"], ("-k", "name", "--all")),
        (["test", "--gpu"], ("--gpu",)),
        (["--skip-install", "test", "-x"], ("--skip-install", "-x")),
        (["test", "--help"], None),
        (["generate", "test"], None),
        (["generate", "a", "test"], None),
    ],
)
def test_the_test_command_keeps_its_arguments(argv: list[str], expected: tuple[str, ...] | None) -> None:
    assert read_plan(argv, {}).test == expected


class Handed(Exception):
    """Ends the start where the program would take over."""


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    seen: list[tuple[list[str], dict[str, str]]] = []

    def note(command: Sequence[str], environ: Mapping[str, str]) -> int:
        seen.append((list(command), dict(environ)))
        return 5

    monkeypatch.setattr(start, "hand_over", note)
    return seen


def test_the_program_gets_everything_and_no_module_of_the_current_folder(
    tmp_path: Path, handed: list[tuple[list[str], dict[str, str]]]
) -> None:
    assert start.main(str(tmp_path), ["--skip-install", "generate", "x"], {"PYTHONPATH": "p"}) == 5
    command, environ = handed[0]
    assert command[1:] == ["-P", "-m", "webui", "--skip-install", "generate", "x"]
    assert environ["PYTHONPATH"] == os.pathsep.join([str(tmp_path), "p"])


def test_tests_run_in_the_programs_folder_without_the_slow_ones(
    tmp_path: Path, handed: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webui.bootstrap.browser.find_or_install", lambda environment: "/x/chromium")
    start.main(str(tmp_path), ["test", "-k", "name", "--skip-install"], {})
    start.main(str(tmp_path), ["test", "--all", "--skip-install"], {})
    start.main(str(tmp_path), ["test", "-m", "not browser", "--skip-install"], {})
    start.main(str(tmp_path), ["test", "--gpu", "-x", "--skip-install"], {})
    (first, environ), (every, of_all), (unbrowsed, without), (gpu, of_gpu) = handed
    assert first[1:] == ["-m", "pytest", "-m", "not slow", "-k", "name"]
    assert environ["DARKROOM_CHROMIUM"] == "/x/chromium"
    assert every[1:4] == ["-m", "pytest", "-n"] and of_all["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in environ, "a few run as pytest would run them"
    assert unbrowsed[-2:] == ["-m", "not browser"]
    assert gpu[1:] == ["-m", "pytest", "-m", "gpu", "-x"]
    assert "DARKROOM_CHROMIUM" not in {**without, **of_gpu}


def test_help_before_the_installation_installs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start.main(str(tmp_path), ["--help"], {}) == 0
    assert "--torch-index-url" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_trouble_is_a_sentence_and_a_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start.main(str(tmp_path), [], {"COMMANDLINE_ARGS": "'"}) == 2
    assert capsys.readouterr().err.startswith("COMMANDLINE_ARGS cannot be read")


def test_ctrl_c_is_no_stack_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "read_plan", interrupt)
    assert start.main(str(tmp_path), [], {}) == 130
    assert "next start goes on" in capsys.readouterr().err


def test_a_program_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="cannot be started"):
        start.hand_over([str(tmp_path / "no-python")], {})
