"""The loop's thread: it does what others put into its inbox, and computes in between."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial

import torch


class Inbox:
    """What is to be done on one thread, which begins with `start`. Everything else may be called from any thread."""

    def __init__(
        self,
        busy: Callable[[], bool],
        turn: Callable[[], None],
        idle: Callable[[], bool],
        broken: Callable[[BaseException], None],
    ) -> None:
        """All are called on the thread, inside torch.inference_mode. busy: whether there is something to compute, for
        which `turn` is called, once between two looks into the inbox. idle: called while nothing else is to be done;
        whether it wants to be called again. broken: told of what any of them raised.
        """
        self._busy, self._turn, self._idle, self._broken = busy, turn, idle, broken
        self._acts: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="engine-loop", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, act: Callable[[], None]) -> None:
        """Have this done at the thread's next turn."""
        self._acts.put(act)

    def later(self, act: Callable[..., None]) -> Callable[..., None]:
        """The same function, done on the thread at its next turn."""
        return lambda *arguments: self.put(partial(act, *arguments))

    def close(self) -> None:
        """Stop the thread once it has done what was put so far; waits for it."""
        self.put(self._set_closed)
        self._thread.join()

    def _loop(self) -> None:
        with torch.inference_mode():
            while not self._closed:
                try:
                    self._read()
                    if self._busy() and not self._closed:
                        self._turn()
                except BaseException as error:  # noqa: BLE001 a fault of the device, or one that nobody foresaw
                    self._broken(error)

    def _read(self) -> None:
        # One that comes waits for a single computation.
        while self._acts.empty() and self._idle():
            pass
        wait = not self._busy()
        while wait or not self._acts.empty():
            self._acts.get()()
            wait = False

    def _set_closed(self) -> None:
        self._closed = True
