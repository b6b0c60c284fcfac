"""Tells followers that the model folders have changed; the folders are looked at only while somebody follows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

from webui.engine.cards.shelf import Model

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0
_SHARE, _LONGEST_SECONDS = 20.0, 30.0
"""The folders are looked at at most so often, and a slow disk for no more than about a twentieth of the time; but so
long after a look comes another at the latest.
"""


class ModelNews:
    """Belongs to the event loop's thread; the looks go to threads, one at a time however many follow."""

    def __init__(self, models: Callable[[], Sequence[Model]], look_seconds: float = LOOK_SECONDS) -> None:
        """models: what there is now; it is asked on a thread, and makes little of what has not changed."""
        self._models, self._look_seconds = models, look_seconds
        self._seen: Sequence[Model] | None = None
        # Another one after each start, so that a page that was open over it looks anew.
        self._revision = time.time_ns() // 1_000_000
        self._wakers: set[asyncio.Event] = set()
        self._looking: asyncio.Task[None] | None = None
        self._running: asyncio.Future[tuple[Sequence[Model], bool]] | None = None

    async def follow(self) -> AsyncIterator[int]:
        """A number for what there is, at once and whenever it has changed; without end."""
        told = None
        with self._following() as waker:
            while True:
                waker.clear()
                if told != self._revision:
                    told = self._revision
                    yield told
                else:
                    await waker.wait()

    @contextmanager
    def _following(self) -> Iterator[asyncio.Event]:
        waker = asyncio.Event()
        self._wakers.add(waker)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="look for new models")
        try:
            yield waker
        finally:
            self._wakers.discard(waker)
            if not self._wakers and self._looking:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        """The first look of all counts as a change: a list that was given out just before it may be older."""
        failed = ""
        while True:
            start = time.monotonic()
            try:
                models, changed = await self._one_look()
            except Exception as error:
                # Whatever is wrong with the folders may be over at the next look; it is said once.
                if str(error) != failed:
                    log.exception("The model folders cannot be looked at")
                failed = str(error)
            else:
                failed = ""
                self._seen = models
                if changed:
                    self._revision += 1
                    for waker in self._wakers:
                        waker.set()
            took = time.monotonic() - start
            await asyncio.sleep(max(self._look_seconds, min(_SHARE * took, _LONGEST_SECONDS)))

    async def _one_look(self) -> tuple[Sequence[Model], bool]:
        """A thread cannot be stopped: a look that outlives its followers is waited for before there is another."""
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(asyncio.to_thread(self._compared))
        return await asyncio.shield(self._running)

    def _compared(self) -> tuple[Sequence[Model], bool]:
        models = self._models()
        return models, models != self._seen
