"""The program, run for an author: what an extension's change concerns begins anew when a file is saved."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from webui.author.environment import with_house
from webui.author.watch import Part, changed, part_for, stamps_of

AGAIN_VARIABLE = "DARKROOM_STARTED_AGAIN"
"""Set for a server that was started again: its page is open in the browser already."""
LOOK_SECONDS = 0.5
_STOP_SECONDS = 30.0


class Server:
    """The program's own server in a process of its own, with these arguments of `serve`."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; one that runs already stays."""
        if self._process is None or self._process.poll() is not None:
            again = {AGAIN_VARIABLE: "1"} if self._process else {}
            command = [sys.executable, "-P", "-m", "webui", "serve", *self._arguments]
            self._process = subprocess.Popen(command, env=with_house(**again))

    def stop(self) -> None:
        """End it in order: jobs that run go back into the line."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def code(self) -> int | None:
        """The exit code of one that has ended."""
        return self._process.poll() if self._process else None


def follow(
    folder: Path,
    server: Server,
    renew_workers: Callable[[], None],
    say: Callable[[str], None],
    look_seconds: float = LOOK_SECONDS,
) -> int:
    """Run the server until it ends by itself or a KeyboardInterrupt comes; its exit code.

    renew_workers: has a running server put fresh workers in the places of its own, each between jobs. say: hears what
    is done. A file that is written in several goes is waited for: what is done is done once two looks are alike.
    """
    server.start()
    loaded = last = stamps_of(folder)
    try:
        while True:
            time.sleep(look_seconds)
            now = stamps_of(folder)
            if now == last and now != loaded:
                files = changed(loaded, now)
                _begin_anew(folder, part_for(folder, files), files, server, renew_workers, say)
                loaded = now
            last = now
            if server.code is not None:
                # After a mistake in extension.py the program starts without it; that it ends is somebody's wish.
                return server.code
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()


def _begin_anew(
    folder: Path,
    part: Part | None,
    files: set[Path],
    server: Server,
    renew_workers: Callable[[], None],
    say: Callable[[str], None],
) -> None:
    names = ", ".join(sorted(file.as_posix() for file in files))
    for file in sorted(files):
        if problem := _mistake_in(folder / file):
            say(f"{file.as_posix()}: {problem}. Nothing is begun anew for that.")
            return
    if part == "page":
        say(f"{names} changed: Darkroom starts again.")
        server.stop()
        server.start()
    elif part == "worker":
        say(f"{names} changed: the worker is renewed once it has no job.")
        renew_workers()


def _mistake_in(file: Path) -> str:
    """Why Python cannot read a file; "" where it can, and for what is no module or is gone."""
    if file.suffix != ".py" or not file.is_file():
        return ""
    try:
        ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        return f"line {getattr(error, 'lineno', 1)}: {getattr(error, 'msg', error)}"
    return ""
