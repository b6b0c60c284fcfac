"""The C library's allocator, told to keep what is freed, so that steps need no new pages each time. glibc only."""

from __future__ import annotations

import ctypes
import logging
import platform

log = logging.getLogger(__name__)

# Of malloc.h: (parameter, value). Above these sizes in bytes memory comes as pages of its own, and the heap's free end
# is given back. One heap serves all threads begun later: a thread's own takes no large blocks.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_SETTINGS = ((_MMAP_THRESHOLD, 2**30), (_TRIM_THRESHOLD, 2**30), (_ARENA_MAX, 1))


def keep_freed_memory() -> bool:
    """Have freed memory stay with this process, until `give_back`; whether this system can (glibc 2.35 and newer).

    Only for one that computes in RAM, and before it starts the threads that do. By default glibc returns each large
    block to the system at once, and whoever needs one next waits for its pages: of a step of SD1.5's UNet on a CPU that
    was a third of the time.
    """
    library = _library()
    # All are tried, whether one is refused or not.
    return library is not None and [library.mallopt(*setting) for setting in _SETTINGS] == [1] * len(_SETTINGS)


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
