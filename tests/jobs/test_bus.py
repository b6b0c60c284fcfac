"""Followers get the state so far and then everything, each at its own pace; publishing waits for nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from tests.jobs.helpers import with_loop
from webui.core.errors import NotFound
from webui.core.events import Cancelled, Event, Finished, ImageReady, Loading, Note, PreviewReady, Queued, Step
from webui.jobs import bus as bus_module
from webui.jobs.bus import Bus, Envelope


def image(index: int) -> ImageReady:
    return ImageReady(index, f"p{index}", 7 + index, 64, 64, "a red circle")


async def take(stream: AsyncIterator[Envelope], count: int) -> list[Event]:
    return [(await anext(stream)).event for _ in range(count)]


async def is_silent(stream: AsyncIterator[Envelope]) -> bool:
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.02)
    silent = not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    return silent


FULL = [
    Queued(1),
    Queued(0),
    Loading("m"),
    Step(1, 4),
    PreviewReady(1),
    Note("n"),
    Step(2, 4),
    image(0),
    PreviewReady(2),
]


@with_loop
async def test_a_late_follower_gets_the_state_so_far_in_order() -> None:
    bus = Bus()
    for event in FULL:
        bus.publish("j", "ann", event)
    stream = bus.follow("j")
    assert await take(stream, 6) == [Queued(0), Loading("m"), Note("n"), Step(2, 4), image(0), PreviewReady(2)]
    bus.publish("j", "ann", Finished(1))
    assert [e.event async for e in stream] == [Finished(1)]


@with_loop
async def test_notes_are_told_once_each_in_order_while_the_job_is_remembered() -> None:
    bus = Bus()
    for event in (Queued(0), Note("b"), Step(1, 4), Note("a"), Note("b"), Finished(1)):
        bus.publish("j", "ann", event)
    assert bus.notes("j") == ["b", "a"]
    assert bus.notes("another") == []


@with_loop
async def test_a_follower_that_keeps_up_sees_every_event_once_and_the_stream_ends() -> None:
    bus = Bus()
    seen: list[Envelope] = []

    async def follow() -> None:
        async for envelope in bus.follow("j"):
            seen.append(envelope)

    task = asyncio.create_task(follow())
    for event in [*FULL, Finished(1)]:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        bus.publish("j", "ann", event)
    await task
    assert [e.event for e in seen] == [*FULL, Finished(1)]
    assert [e.seq for e in seen] == sorted({e.seq for e in seen})


@with_loop
async def test_after_a_known_number_only_what_is_newer_comes() -> None:
    bus = Bus()
    numbers = [bus.publish("j", "ann", event).seq for event in FULL]
    assert await take(bus.follow("j", numbers[4]), 4) == [Note("n"), Step(2, 4), image(0), PreviewReady(2)]
    assert await is_silent(bus.follow("j", numbers[-1]))
    bus.publish("j", "ann", Finished(1))
    assert [e.event async for e in bus.follow("j", numbers[-1])] == [Finished(1)]


@with_loop
async def test_a_number_of_a_former_process_gets_everything_ends_included() -> None:
    former = Bus()
    old = former.publish("old", "ann", Queued()).seq
    await asyncio.sleep(0.005)
    bus = Bus()
    bus.restore("done", "ann", [image(0), Finished(1)])
    bus.restore("waits", "ann", [Queued(0, "restarted")])
    everything = [image(0), Finished(1), Queued(0, "restarted")]
    for unknown in (old, 0, -5, 2**62):
        assert await take(bus.follow_owner("ann", unknown), 3) == everything
    assert [e.event async for e in bus.follow("done", old)] == [image(0), Finished(1)]


@with_loop
async def test_a_fresh_follower_of_an_owner_gets_only_jobs_that_have_not_ended_and_then_all() -> None:
    bus = Bus()
    for job, events in {"a": [image(0), Finished(1)], "b": [Queued(0), Step(1, 4)]}.items():
        for event in events:
            bus.publish(job, "ann", event)
    bus.publish("other", "bob", Queued(3))
    stream = bus.follow_owner("ann")
    assert await take(stream, 2) == [Queued(0), Step(1, 4)]
    bus.publish("other", "bob", Finished(0))
    bus.publish("b", "ann", Cancelled())
    bus.publish("c", "ann", Queued(0))
    assert await take(stream, 2) == [Cancelled(), Queued(0)]
    assert await is_silent(stream)


@with_loop
async def test_the_owner_of_the_machine_may_follow_everybody() -> None:
    bus = Bus()
    stream = bus.follow_owner(None)
    bus.publish("a", "ann", Queued(0))
    bus.publish("b", "bob", Queued(1))
    assert await take(stream, 2) == [Queued(0), Queued(1)]


@with_loop
async def test_a_slow_follower_loses_no_picture_and_no_note_and_delays_nobody() -> None:
    bus = Bus()
    slow, quick = bus.follow("j"), bus.follow("j")
    bus.publish("j", "ann", Queued(0))
    assert await take(slow, 1) == await take(quick, 1)
    for batch in range(20):
        for step in range(50):
            bus.publish("j", "ann", Step(step + 1, 50, batch + 1, 20))
            bus.publish("j", "ann", PreviewReady(batch * 50 + step))
        bus.publish("j", "ann", image(batch))
    bus.publish("j", "ann", Note("last"))
    bus.publish("j", "ann", Finished(20))
    got = [e.event async for e in slow]
    assert got == [*(image(n) for n in range(20)), Note("last"), Finished(20)]


@with_loop
async def test_many_followers_cost_publishing_little() -> None:
    bus = Bus()
    counts = [0] * 300

    async def follow(number: int) -> None:
        async for _ in bus.follow("j"):
            counts[number] += 1

    tasks = [asyncio.create_task(follow(n)) for n in range(300)]
    await asyncio.sleep(0)
    begun = time.perf_counter()
    for n in range(100):
        bus.publish("j", "ann", Note(str(n)))
    spent = time.perf_counter() - begun
    bus.publish("j", "ann", Finished(0))
    await asyncio.gather(*tasks)
    assert counts == [101] * 300
    assert spent < 1.0, "publishing only wakes; it hands nothing over"


@with_loop
async def test_waiting_again_takes_back_steps_but_no_picture() -> None:
    bus = Bus()
    for event in (Queued(0), Loading("m"), image(0), Step(3, 4), Queued(0, "again")):
        bus.publish("j", "ann", event)
    assert await take(bus.follow("j"), 2) == [image(0), Queued(0, "again")]


@with_loop
async def test_followed_tells_who_is_listening() -> None:
    bus = Bus()
    assert not bus.followed("j", "ann")
    for open_stream in (lambda: bus.follow("j"), lambda: bus.follow_owner("ann"), lambda: bus.follow_owner(None)):
        stream = open_stream()
        bus.publish("j", "ann", Queued(0))
        await anext(stream)
        assert bus.followed("j", "ann")
        assert bus.followed("k", "bob") == bus.followed("anything", "anybody")
        await stream.aclose()
        assert not bus.followed("j", "ann")


@with_loop
async def test_ended_jobs_are_forgotten_oldest_first_and_a_number_from_before_counts_as_unknown() -> None:
    bus = Bus(lambda job_id: ("ann", [image(0), Finished(1)]))
    first = bus.publish("waits", "ann", Queued(0)).seq
    kept = bus_module.KEPT_ENDED
    for n in range(kept + 10):
        bus.publish(f"j{n}", "ann", Finished(0))
    everything = await take(bus.follow_owner("ann", first), kept + 1)
    assert everything.count(Finished(0)) == kept and Queued(0) in everything
    assert [e.event async for e in bus.follow("j0")] == [image(0), Finished(1)], "told from its row"


@with_loop
async def test_a_job_that_nobody_knows_is_not_found() -> None:
    def recall(job_id: str) -> tuple[str, list[Event]]:
        raise NotFound("There is no such job.")

    try:
        await anext(Bus(recall).follow("nothing"))
    except NotFound:
        return
    raise AssertionError("following nothing must not wait for ever")
