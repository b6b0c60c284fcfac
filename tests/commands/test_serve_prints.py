"""What extensions print in the page's process fills no disk; the program's own notices are not lost in it."""

from __future__ import annotations

import asyncio
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from webui import serve as serving
from webui.commands.common import begin, command_parser, settings_store, with_flags
from webui.core.console import LINES, LONGEST_LINE
from webui.core.errors import DarkroomError
from webui.core.flags import COMMON, PAGE, PEOPLE
from webui.instance import DataFolder
from webui.web.identity import Access, Sharing
from webui.web.keys import Keys


def test_a_few_megabytes_at_the_start_are_a_few_lines(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def noisy(*given: Any) -> None:
        for _ in range(30_000):
            sys.stdout.write("x" * 100 + "\n")
        sys.stderr.write("y" * 3_000_000)
        serving._say("Darkroom is ready")
        raise DarkroomError("Enough.")

    monkeypatch.setattr(serving, "compose", noisy)
    parser = with_flags(command_parser("serve", ""), (PAGE, PEOPLE, *COMMON))
    options = replace(begin(parser.parse_args(["--data-dir", str(home)])), port=0)
    before = sys.stdout
    with pytest.raises(DarkroomError, match="Enough"):
        serving.serve(options, settings_store(options), ())
    said = capsys.readouterr()
    assert said.out.count("x" * 100) == LINES and "Darkroom is ready\n" in said.out
    assert said.err.count("y") == LONGEST_LINE
    assert sys.stdout is before


def test_the_first_start_makes_the_folders_of_models(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*given: Any) -> None:
        raise DarkroomError("Enough.")

    monkeypatch.setattr(serving, "compose", stop)
    parser = with_flags(command_parser("serve", ""), (PAGE, PEOPLE, *COMMON))
    arguments = ["--data-dir", str(home), "--models-dir", str(home / "elsewhere")]
    options = replace(begin(parser.parse_args(arguments)), port=0)
    with pytest.raises(DarkroomError, match="Enough"):
        serving.serve(options, settings_store(options), ())
    assert (home / "elsewhere" / "Stable-diffusion").is_dir() and (home / "elsewhere" / "Lora").is_dir()


@pytest.mark.parametrize("shared", [False, True])
def test_the_start_says_where_the_page_is_and_where_models_go(
    home: Path, capsys: pytest.CaptureFixture[str], shared: bool
) -> None:
    class Quiet:
        def messages(self) -> list[str]:
            return ["A sentence."]

    parser = with_flags(command_parser("serve", ""), (PAGE, PEOPLE, *COMMON))
    options = begin(parser.parse_args(["--data-dir", str(home), "--models-dir", str(home / "elsewhere")]))
    folder = DataFolder(options.paths)
    folder.claim()
    access = Access(Sharing(listen=shared), Keys(home / "access.json"), folder.token)

    async def open_doors() -> None:
        ready = asyncio.Event()
        ready.set()
        await running._open_doors(ready, 7860)

    try:
        with socket.socket() as sock:
            running = serving._Serving(options, Quiet(), access, folder, sock)  # type: ignore[arg-type]
            asyncio.run(open_doors())
    finally:
        folder.release()
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Darkroom is ready") and said[0].endswith(":7860/")
    assert said[-2:] == [f"Models go into the folders inside {home / 'elsewhere'}", "A sentence."]
