"""The program ends, with its code, whatever threads an extension has left running."""

from __future__ import annotations

import subprocess
import sys

from webui.core.paths import PROGRAM_DIR

ENDLESS = """
import atexit, threading, time
from webui.core.leaving import leave
atexit.register(lambda: print("in order", flush=True))
{start}
leave(7, 1.0)
"""
THREAD = "threading.Thread(target=lambda: time.sleep(600), name='mine').start()"


def run(start: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ENDLESS.format(start=start)]
    return subprocess.run(command, cwd=PROGRAM_DIR, capture_output=True, text=True, timeout=60)


def test_without_other_threads_it_ends_in_order() -> None:
    ended = run("")
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "in order\n", "")


def test_a_thread_without_end_does_not_keep_it() -> None:
    ended = run(THREAD)
    assert ended.returncode == 7 and "which go on: mine." in ended.stderr
