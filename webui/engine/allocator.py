"""The C library's allocator, told to keep what is freed, so that steps need no new pages each time. glibc only."""

from __future__ import annotations

import ctypes
import logging
import platform

log = logging.getLogger(__name__)

# Of malloc.h. Above the thresholds, in bytes, memory comes as pages of its own, and the heap's free end is given back.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE = 2**30
_LARGE_BEFORE_2_35 = 2**25
"""The most that older versions take for the second."""


def one_heap() -> None:
    """Have all threads that begin from now on share one heap; to be called before there are others.

    A thread's own heap takes no large blocks, so whatever `keep_freed_memory` says they would be new pages each time.
    """
    library = _library()
    if library is not None:
        library.mallopt(_ARENA_MAX, 1)


def keep_freed_memory() -> bool:
    """Have freed memory stay with this process, until `give_back`; whether this system can (glibc alone).

    Only for one that computes in RAM, in threads that share `one_heap`. By default glibc returns each large block to
    the system at once, and whoever needs one next waits for its pages: of a step of SD1.5's UNet on a CPU that was a
    third of the time.
    """
    library = _library()
    if library is None:
        return False
    kept = any(library.mallopt(_MMAP_THRESHOLD, size) == 1 for size in (_LARGE, _LARGE_BEFORE_2_35))
    return kept and library.mallopt(_TRIM_THRESHOLD, _LARGE) == 1


def give_back() -> bool:
    """Return what was freed to the system, after something large was dropped; whether there was anything."""
    library = _library()
    return library is not None and library.malloc_trim(0) == 1


def _library() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        library = ctypes.CDLL(None)
        library.malloc_trim.argtypes = [ctypes.c_size_t]
    except (OSError, AttributeError) as error:
        log.debug("The allocator cannot be told anything: %s", error)
        return None
    return library
