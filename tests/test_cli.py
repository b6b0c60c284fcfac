"""The entry: help without a manual, sentences instead of traces, and no torch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from webui import __version__
from webui.cli import main
from webui.core.paths import PROGRAM_DIR
from webui.plugins.builtin.commands import commands
from webui.plugins.resolve import resolve


def test_help_names_every_command_and_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for row in commands():
        assert f"  {row.name:<10}  {row.help}\n" in text
    assert {"test", "bench"} <= {row.name for row in commands()}
    assert "--listen" in text and "--controlnet-dir" not in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("name", [row.name for row in commands()])
def test_each_command_is_there_and_helps(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = (row for row in commands() if row.name == name)
    assert callable(resolve(row.run))
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: launch.py {name}")


def test_help_is_a_word_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    assert capsys.readouterr().out.startswith("usage: launch.py [command] [flags]")
    with pytest.raises(SystemExit):
        main(["help", "queue"])
    assert capsys.readouterr().out.startswith("usage: launch.py queue")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"Darkroom {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["genrate", "x"], "There is no command 'genrate'"),
        (["--lissten"], "There is no flag --lissten. Did you mean --listen?\n  - Use --listen\n"),
        (["--steps", "5"], "--steps is a flag of generate, not of serve."),
        (["--port", "abc"], "--port must be a whole number, not 'abc'."),
        (["--loglevel", "DEBUG", "test"], "`test` comes first"),
        (["queue", "--steps", "5"], "--steps is a flag of generate, not of queue."),
        (["queue", "cancel"], "needs the id of a job"),
        (["queue", "pause", "x"], "is not for one job"),
        (["queue", "cancle"], "did you mean cancel?"),
        (["models", "--use"], "needs the name of a checkpoint"),
        (["bench", "--steps", "0"], "--steps must be at least 1"),
        (["bench", "nothing"], "must be one of"),
        (["extensions", "lst"], "did you mean list?"),
        (["--tls-keyfile", "k", "--tls-certfile", "c"], "which is not there"),
        (["--disable-safe-unpickle"], "can run any code"),
    ],
)
def test_a_wrong_command_line_is_exit_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.out == ""


def test_the_entry_is_light() -> None:
    code = (
        "import sys, webui.cli, webui.commands.generate, webui.commands.queue, webui.commands.doctor\n"
        "print([name for name in ('torch', 'gradio', 'diffusers', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is told otherwise there")
def test_a_reader_that_leaves_is_no_trace() -> None:
    command = f"{sys.executable} -m webui.cli --help"
    done = subprocess.run(["sh", "-c", f"{command} | :"], capture_output=True, text=True, check=False, env=os.environ)
    assert done.stderr == ""


def test_libraries_are_offline_and_our_own_fetch_of_a_tokenizer_is_not_forbidden() -> None:
    ask = (
        "import os, webui.cli; webui.cli.main(['help']); import huggingface_hub.constants as hub; "
        "print('offline', hub.HF_HUB_OFFLINE, os.environ.get('HF_HUB_OFFLINE'))"
    )
    free = {name: value for name, value in os.environ.items() if not name.endswith("_OFFLINE")}
    said = subprocess.run([sys.executable, "-c", ask], cwd=PROGRAM_DIR, env=free, capture_output=True, text=True)
    assert said.stdout.splitlines()[-1] == "offline True None", said.stderr
