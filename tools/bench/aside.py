"""Run a part of the bench in a process of its own that ends: torch is only there, and its memory is free afterwards."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from webui.core.errors import DarkroomError
from webui.engine.allocator import keep_freed_memory, one_heap
from webui.plugins.resolve import resolve


def aside(where: str, *arguments: Any) -> Any:
    """What the function "module:name" answers there. Raises what it raises, and DarkroomError when its process dies."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin) as pool:
        try:
            return pool.submit(_call, where, arguments).result()
        except BrokenProcessPool as error:
            raise DarkroomError("The system ended a part of the bench, most likely for want of memory.") from error


def _begin() -> None:
    # Both as our worker has it. Threads that spin while they wait lose many times over on a machine that is not idle.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    one_heap()
    keep_freed_memory()


def _call(where: str, arguments: tuple[Any, ...]) -> Any:
    return resolve(where)(*arguments)
