"""Calls of extensions that the event loop waits for: each on a thread of its own, so that slow ones hold up nothing."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from webui.core.errors import TooMany
from webui.plugins.meter import plain

T = TypeVar("T")


class Threads:
    """The threads of one kind of calls; at most so many of one person, and of one extension, are at work at once.

    They are none of asyncio's own, of which there are few: who waits for those would wait for extensions.
    """

    def __init__(self, of_person: int, of_extension: int) -> None:
        self._of_person = of_person
        self._of_extension = of_extension
        self._lock = threading.Lock()
        self._at_work: Counter[tuple[str, str]] = Counter()

    async def answer(self, seconds: float, function: Callable[[], T], extension: str, person: str) -> T:
        """What the function answers; what it raises comes through.

        Raises TooMany, and TimeoutError where it takes longer; it is left to itself then, and counts until it ends.
        """
        places = self._taken(extension, person)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def tell(setter: Callable[[Any], None], value: Any) -> None:
            if not answer.done():
                setter(value)

        def work() -> None:
            try:
                told: tuple[Callable[[Any], None], Any] = (answer.set_result, function())
            except BaseException as error:  # noqa: BLE001 whatever it is, it belongs to whoever asked
                # A future takes some for the end of the program or of itself, and StopIteration not at all.
                known = isinstance(error, Exception) and not isinstance(error, StopIteration)
                told = (answer.set_exception, error if known else plain(error))
            finally:
                with self._lock:
                    self._at_work.subtract(places)
            # The program may have ended meanwhile.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, *told)

        threading.Thread(target=work, name=f"call of {extension}", daemon=True).start()
        try:
            # asyncio.wait_for of Python 3.11 loses a cancellation that comes with the answer.
            await asyncio.wait([answer], timeout=seconds)
            if not answer.done():
                raise TimeoutError(f"A call of {extension} takes longer than {seconds:g} s.")
            return answer.result()
        finally:
            answer.cancel()

    def _taken(self, extension: str, person: str) -> tuple[tuple[str, str], ...]:
        places = (("extension", extension), ("person", person))
        with self._lock:
            if self._at_work[places[0]] >= self._of_extension:
                raise TooMany(
                    f"The extension '{extension}' is still at work on {self._of_extension} calls. Try again later."
                )
            if self._at_work[places[1]] >= self._of_person:
                raise TooMany(f"Extensions are still at work on {self._of_person} calls of yours. Try again later.")
            self._at_work.update(places)
        return places
