"""How often and how much: token buckets for requests, sign-ins and newcomers, and a cap on open streams."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from webui.core.errors import TooMany
from webui.core.job import Identity, Level
from webui.web.access import Kind


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then `per_second` on average."""

    burst: float
    per_second: float


# A page that opens asks some twenty things at once; a gallery asks a hundred thumbnails while it is scrolled.
_READS = {Level.VISITOR: Rate(400, 40), Level.USER: Rate(800, 80)}
_WRITES = {Level.VISITOR: Rate(30, 3), Level.USER: Rate(60, 6)}
_STREAMS = {Level.VISITOR: 8, Level.USER: 16, Level.OWNER: 64}
_ALL_STREAMS = 1000
_SIGN_INS = Rate(10, 1 / 6)
_NEWCOMERS = Rate(200, 5)
_KEPT = 20_000


class Buckets:
    """Token buckets by key; the least recently used ones are forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, rate: Rate, amount: float = 1) -> float:
        """Take `amount`; 0 when it was there, else the seconds until it will be. An amount of 0 only looks for 1."""
        now = self._clock()
        with self._guard:
            level, then = self._levels.pop(key, (rate.burst, now))
            level = min(rate.burst, level + (now - then) * rate.per_second)
            wanted = amount or 1
            enough = level >= wanted
            self._levels[key] = (level - amount if enough else level, now)
            if len(self._levels) > _KEPT:
                self._levels.popitem(last=False)
        return 0.0 if enough else (wanted - level) / rate.per_second


class Limits:
    """The limits of one server. Each method raises TooMany with a sentence; the owner has no limit on requests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = Buckets(clock)
        self._streams: dict[str, int] = {}

    def request(self, who: Identity, kind: Kind) -> None:
        """Count one request."""
        if who.is_owner:
            return
        rates = _WRITES if kind == "write" else _READS
        wait = self._buckets.take(f"{'w' if kind == 'write' else 'r'} {who.id}", rates[who.level])
        if wait:
            raise TooMany(f"That was too fast. Try again in {_seconds(wait)}.")

    @contextmanager
    def stream(self, who: Identity) -> Iterator[None]:
        """Count one open stream for as long as the block runs. Used on the event loop only."""
        allowed = _STREAMS[who.level]
        if not who.is_owner and sum(self._streams.values()) >= _ALL_STREAMS:
            raise TooMany("Too many pages are open on this server. Try again later.")
        if self._streams.get(who.id, 0) >= allowed:
            raise TooMany(f"You have {allowed} event streams open, which is as many as one may have. Close a page.")
        self._streams[who.id] = self._streams.get(who.id, 0) + 1
        try:
            yield
        finally:
            self._streams[who.id] -= 1
            if not self._streams[who.id]:
                del self._streams[who.id]

    def new_visitor(self) -> None:
        """Count somebody who came without a cookie; a script that throws its cookies away ends here."""
        wait = self._buckets.take("newcomers", _NEWCOMERS)
        if wait:
            raise TooMany(f"Too many new visitors at once. Try again in {_seconds(wait)}.")

    def sign_in_try(self, key: str) -> None:
        """Whether one more password may be tried; wrong ones were counted by `sign_in_failed`."""
        wait = self._buckets.take(f"sign-in {key}", _SIGN_INS, 0)
        if wait:
            raise TooMany(f"Too many wrong passwords. Try again in {_seconds(wait)}.")

    def sign_in_failed(self, key: str) -> None:
        """Count a wrong password."""
        self._buckets.take(f"sign-in {key}", _SIGN_INS)


def _seconds(wait: float) -> str:
    whole = max(1, round(wait + 0.5))
    return "a second" if whole == 1 else f"{whole} seconds"
