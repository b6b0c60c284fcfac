"""The bus: what happens to jobs, told to any number of followers, each at its own pace."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from webui.core.events import ENDS, Event, ImageReady, Note, Queued

KEPT_ENDED = 500
"""How many ended jobs are remembered for followers who come back late."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event with its number, its job and the job's owner. Numbers rise over all jobs."""

    seq: int
    job_id: str
    owner: str
    event: Event


Recall = Callable[[str], tuple[str, list[Event]]]
"""From a job's id: its owner and the events that lead to its present state."""


@dataclass(slots=True)
class _State:
    """What a late follower is told of one job: the newest of each passing kind, all notes and pictures, the end."""

    owner: str
    passing: dict[str, Envelope] = field(default_factory=dict)
    lasting: list[Envelope] = field(default_factory=list)
    seq: int = 0
    ended: bool = False

    def add(self, envelope: Envelope) -> None:
        event = envelope.event
        self.seq = envelope.seq
        if isinstance(event, Queued):
            self.passing.clear()
            self.ended = False
        if isinstance(event, ENDS):
            self.passing.clear()
            self.ended = True
        if isinstance(event, (ImageReady, Note, *ENDS)):
            self.lasting.append(envelope)
        else:
            self.passing[event.name] = envelope

    def after(self, seq: int) -> list[Envelope]:
        """What happened after `seq`, in order."""
        if self.seq <= seq:
            return []
        found = [e for e in (*self.lasting, *self.passing.values()) if e.seq > seq]
        return sorted(found, key=lambda e: e.seq)


class Bus:
    """Belongs to the event loop's thread.

    A follower holds nothing but the number of the last event it was given; whatever is newer is read from the jobs'
    states when it comes round. So publishing never waits, a slow follower misses only steps and previews that newer
    ones have replaced, and its memory does not grow.

    Numbers start at the milliseconds since 1970, so that a number from a former process is smaller than all of ours
    and its bearer is given the whole state. `recall` tells of jobs that the bus does not remember.
    """

    def __init__(self, recall: Recall | None = None, tell: Callable[[Envelope], None] = lambda envelope: None) -> None:
        """tell: called with everything that is published; must return at once."""
        self._recall = recall
        self._tell = tell
        self._first = self._seq = time.time_ns() // 1_000_000
        self._states: OrderedDict[str, _State] = OrderedDict()
        """By time of the last event, oldest first."""
        self._ended = 0
        self._forgotten = self._first
        """Jobs whose last event has at most this number may have been forgotten."""
        self._wakers: set[asyncio.Event] = set()
        self._followed: defaultdict[str | None, int] = defaultdict(int)
        """Open followers by what they follow: 'job <id>', 'owner <id>', None for all."""

    def publish(self, job_id: str, owner: str, event: Event) -> Envelope:
        """Tell every follower of the job; returns at once."""
        state = self._states.setdefault(job_id, _State(owner))
        self._seq += 1
        envelope = Envelope(self._seq, job_id, owner, event)
        was_ended = state.ended
        state.add(envelope)
        self._states.move_to_end(job_id)
        self._ended += state.ended - was_ended
        if self._ended > KEPT_ENDED:
            self._forget_oldest()
        for waker in self._wakers:
            waker.set()
        self._tell(envelope)
        return envelope

    def restore(self, job_id: str, owner: str, events: Iterable[Event]) -> None:
        """After a start: what is known of a job from a former process, unless the bus knows it better."""
        if job_id not in self._states:
            for event in events:
                self.publish(job_id, owner, event)

    def newest(self, job_id: str, name: str) -> Event | None:
        """The job's newest event of a passing kind (queued, loading, step, preview) that still holds."""
        state = self._states.get(job_id)
        envelope = state.passing.get(name) if state else None
        return envelope.event if envelope else None

    def notes(self, job_id: str) -> list[str]:
        """The sentences that followers of the job were told, oldest first; none of a job that is forgotten."""
        state = self._states.get(job_id)
        events = (envelope.event for envelope in state.lasting) if state else ()
        return list(dict.fromkeys(event.text for event in events if isinstance(event, Note)))

    def followed(self, job_id: str, owner: str) -> bool:
        """Whether anybody follows this job, by itself or among its owner's."""
        return any(self._followed.get(key) for key in (f"job {job_id}", f"owner {owner}", None))

    async def follow(self, job_id: str, after: int | None = None) -> AsyncIterator[Envelope]:
        """One job's state so far, or what came after event `after`; then its events until it has ended."""
        if job_id not in self._states and self._recall is not None:
            owner, events = self._recall(job_id)
            for event in events:
                yield Envelope(self._seq, job_id, owner, event)
            if events and isinstance(events[-1], ENDS):
                return
        seen = self._known(after)
        state = None
        with self._following(f"job {job_id}") as waker:
            while True:
                waker.clear()
                state = self._states.get(job_id, state)
                for envelope in state.after(seen) if state else ():
                    seen = envelope.seq
                    yield envelope
                if state and state.ended and state.seq <= seen:
                    return
                if not waker.is_set():
                    await waker.wait()

    async def ended(self, job_id: str) -> None:
        """Come back when the job has ended. It counts for no follower, so no previews are made for it."""
        with self._following(f"end of {job_id}") as waker:
            while not self._has_ended(job_id):
                await waker.wait()
                waker.clear()

    def _has_ended(self, job_id: str) -> bool:
        state = self._states.get(job_id)
        if state is not None or self._recall is None:
            return state is not None and state.ended
        events = self._recall(job_id)[1]
        return bool(events) and isinstance(events[-1], ENDS)

    async def follow_owner(self, owner: str | None, after: int | None = None) -> AsyncIterator[Envelope]:
        """The events of all the owner's jobs (None: everybody's), without end.

        First the state of those that have not ended; or, with the number of the last event seen, all that came after
        it, ends included. With a number that is too old or not ours that is all that is known.
        """
        seen = self._known(after)
        first = after is None
        with self._following(None if owner is None else f"owner {owner}") as waker:
            while True:
                waker.clear()
                newest = self._seq
                for envelope in self._newer(owner, seen, without_ended=first):
                    yield envelope
                seen, first = newest, False
                if not waker.is_set():
                    await waker.wait()

    def _known(self, after: int | None) -> int:
        return after if after is not None and self._forgotten <= after <= self._seq else 0

    def _newer(self, owner: str | None, seen: int, without_ended: bool) -> list[Envelope]:
        found: list[Envelope] = []
        for state in reversed(self._states.values()):
            if state.seq <= seen:
                break
            if (owner is None or state.owner == owner) and not (without_ended and state.ended):
                found += state.after(seen)
        return sorted(found, key=lambda e: e.seq)

    def _forget_oldest(self) -> None:
        job_id = next(job_id for job_id, state in self._states.items() if state.ended)
        self._forgotten = max(self._forgotten, self._states.pop(job_id).seq)
        self._ended -= 1

    def _following(self, key: str | None) -> _Following:
        return _Following(self._wakers, self._followed, key)


class _Following:
    """An open follower: counted for as long as it is open, woken by every event."""

    def __init__(self, wakers: set[asyncio.Event], followed: defaultdict[str | None, int], key: str | None) -> None:
        self._wakers, self._followed, self._key = wakers, followed, key
        self._waker = asyncio.Event()

    def __enter__(self) -> asyncio.Event:
        self._wakers.add(self._waker)
        self._followed[self._key] += 1
        return self._waker

    def __exit__(self, *_: object) -> None:
        self._wakers.discard(self._waker)
        self._followed[self._key] -= 1
        if not self._followed[self._key]:
            del self._followed[self._key]
