"""The end of the program: in order, and in the end whatever threads somebody has left running."""

from __future__ import annotations

import os
import sys
import threading
from typing import NoReturn

SECONDS = 10.0
"""So long the program waits for threads that are not its own, of extensions say."""


def leave(code: int, seconds: float = SECONDS) -> NoReturn:
    """End the process with this exit code. Python waits for threads that are no daemons; here for a while."""

    def give_up() -> None:
        left = [thread.name for thread in threading.enumerate() if not thread.daemon and thread.is_alive()]
        names = ", ".join(name for name in left if name != threading.main_thread().name)
        sys.stderr.write(f"The program ends without these threads, which go on: {names}.\n")
        sys.stderr.flush()
        os._exit(code)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    sys.exit(code)
