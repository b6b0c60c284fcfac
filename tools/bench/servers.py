"""Servers as a person starts them: processes on a free port of this machine, watched from outside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from webui.core.errors import WorkerProblem
from webui.core.paths import PROGRAM_DIR

_PATIENCE_SECONDS = 120.0
_LOOK_SECONDS = 0.02


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes of a server's process and of its largest child."""

    web: int
    worker: int


class Server:
    """A Python module run as a server; `first_byte_seconds` is from its start to the first byte of its page."""

    def __init__(self, module: str, arguments: Sequence[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        # A file, not a pipe: nobody reads along, and a full pipe would stop the server. `_stop` closes it.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=PROGRAM_DIR,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "COMMANDLINE_ARGS": ""},
        )
        self.first_byte_seconds = 0.0

    def __enter__(self) -> Self:
        try:
            self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def memory(self) -> Memory:
        """What the server holds now. Shared pages count in both, as in every task manager."""
        process = psutil.Process(self._process.pid)
        children = [child.memory_info().rss for child in process.children(recursive=True)]
        return Memory(process.memory_info().rss, max(children, default=0))

    def _wait(self) -> None:
        while time.perf_counter() - self.started < _PATIENCE_SECONDS:
            if self._process.poll() is not None:
                break
            try:
                with httpx.stream("GET", self.url, timeout=_PATIENCE_SECONDS, trust_env=False) as answer:
                    if answer.status_code == httpx.codes.OK:
                        next(answer.iter_raw())
                        self.first_byte_seconds = time.perf_counter() - self.started
                        return
            except httpx.TransportError:
                pass  # It does not listen yet.
            time.sleep(_LOOK_SECONDS)
        self._log.seek(0)
        said = self._log.read().decode("utf-8", "replace")[-1500:]
        raise WorkerProblem(f"The bench's server did not come up: {said}")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def darkroom(home: Path, extra: Sequence[str] = ()) -> Server:
    """Our server on this data folder."""
    port = free_port()
    return Server("webui.cli", ["serve", "--data-dir", str(home), "--port", str(port), *extra], port)


def bare_page(components: Path) -> Server:
    """A Gradio server with the components that this file lists and nothing else."""
    port = free_port()
    return Server("tools.bench.bare_page", [str(port), str(components)], port)
