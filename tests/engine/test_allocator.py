"""The allocator keeps what is freed, in any thread, and gives it back when told to."""

import multiprocessing
import platform
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import psutil
import pytest
import torch

from webui.engine.allocator import keep_freed_memory, one_heap
from webui.engine.device import free_cache

MIB = 2**20
BLOCK = 256 * MIB

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's can be told")


def test_freed_memory_stays_until_it_is_given_back():
    kept, given_back = _in_its_own_process(True)
    assert kept > 0.9 * BLOCK and given_back < 0.1 * BLOCK


def test_by_default_freed_memory_goes_at_once():
    kept, _ = _in_its_own_process(False)
    assert kept < 0.1 * BLOCK


def _in_its_own_process(keep: bool) -> tuple[int, int]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_grown, keep).result(timeout=120)


def _grown(keep: bool) -> tuple[int, int]:
    """Bytes that this process is larger by after a thread has filled and freed a block; and after giving back."""
    if keep:
        one_heap()
        ready, over = threading.Event(), threading.Event()
        # As in a worker: one thread has begun before and lives, and another has ended.
        waiting = threading.Thread(target=lambda: (bytearray(MIB), ready.set(), over.wait()), daemon=True)
        waiting.start()
        ready.wait()
        _in_a_thread(lambda: bytearray(MIB))
        assert keep_freed_memory()
    before = _resident()
    for _ in range(6):
        _in_a_thread(_fill)
    kept = _resident() - before
    free_cache(torch.device("cpu"))
    return kept, _resident() - before


def _in_a_thread(act: Callable[[], object]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def _fill() -> None:
    block = torch.ones(BLOCK, dtype=torch.uint8)
    del block


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)
