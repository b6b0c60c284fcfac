"""The other side: a process with a stock diffusers pipeline on the same weights; this module is torch-free."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from webui.engine.config import Precision


@dataclass(frozen=True, slots=True)
class PeerSetup:
    """What the pipeline runs with; the same as our worker. `precision` is fp32, bf16, fp16 or auto, as our engine's."""

    model: Path
    device: str = "auto"
    precision: Precision = "auto"
    threads: int = 0
    compress_level: int = 1
    variant: str | None = None


class Peer:
    """A pipeline in a process of its own; every call waits for its answer."""

    def __init__(self, setup: PeerSetup) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_child, args=(theirs, setup), name="bench-diffusers", daemon=True)
        self._process.start()
        theirs.close()
        self.kind = self.device = ""
        """What it computes on: torch's name for the kind of device (cpu, cuda, mps), and in words."""

    def __enter__(self) -> Self:
        self.kind, self.device = self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(20)
        if self._process.is_alive():
            self._process.terminate()

    def picture(self, values: Mapping[str, Any], path: Path) -> float:
        """Seconds from the call to the saved file; `values` are those of a request."""
        return float(self._ask("picture", dict(values), path))

    def curve(self, rows: Sequence[int], size: tuple[int, int], repeats: int) -> dict[int, float]:
        """Seconds of one UNet forward with so many rows, for pictures of `size` (width, height); best of `repeats`."""
        answer: dict[int, float] = self._ask("curve", list(rows), size, repeats)
        return answer

    def decode(self, count: int, size: tuple[int, int], repeats: int) -> float:
        """Seconds to decode so many pictures at once; best of `repeats`."""
        return float(self._ask("decode", count, size, repeats))

    def _ask(self, verb: str, *arguments: Any) -> Any:
        self._pipe.send((verb, arguments))
        ok, answer = self._pipe.recv()
        if not ok:
            raise RuntimeError(f"The diffusers side failed: {answer}")
        return answer


def _child(pipe: Connection, setup: PeerSetup) -> None:
    # As our worker has it: threads that spin while they wait lose many times over on a machine that is not idle.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Torch and diffusers belong into the child only.
    from tools.bench.pipeline import serve

    serve(pipe, setup)
