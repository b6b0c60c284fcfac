"""The running server over its API: streams that break are followed on, and a server that is gone is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from webui.commands import remote
from webui.commands.remote import RemoteSession
from webui.core.errors import DarkroomError, InvalidField, NotFound
from webui.core.events import Event, Finished, Step

STEP = 'id: 41\nevent: step\ndata: {"job": "j", "mine": true, "event": "step", "step": 1, "steps": 2}\n\n'
END = 'id: 42\nevent: finished\ndata: {"job": "j", "event": "finished", "pictures": 1}\n\n'


def session(answer: Callable[[httpx.Request], httpx.Response]) -> RemoteSession:
    transport = httpx.MockTransport(answer)
    return RemoteSession(httpx.AsyncClient(base_url="http://127.0.0.1:1/api/v1/", transport=transport))


def events(answer: Callable[[httpx.Request], httpx.Response]) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in session(answer).events("j")]

    return asyncio.run(collect())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(remote, "_RETRIES", 3)


def test_a_broken_stream_is_followed_on_from_where_it_was() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id", ""))
        if len(asked) == 2:
            raise httpx.ConnectError("restarting")
        return httpx.Response(200, text=": hello\n\n" + STEP if len(asked) == 1 else END)

    assert events(answer) == [Step(1, 2), Finished(1)]
    assert asked == ["", "41", "41"]


def test_a_server_that_stays_away_is_said() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("gone")

    with pytest.raises(DarkroomError, match=r"http://127\.0\.0\.1:1/ does not answer"):
        events(answer)


@pytest.mark.parametrize(
    ("status", "kind", "code"), [(422, InvalidField, 2), (404, NotFound, 1), (500, DarkroomError, 1)]
)
def test_problems_are_errors_with_their_codes(status: int, kind: type[DarkroomError], code: int) -> None:
    problem = kind("Because.", field="steps", remedies=("Do this",)).problem().to_json()
    with pytest.raises(kind, match=r"Because\.") as caught:
        asyncio.run(session(lambda request: httpx.Response(status, json=problem)).submit({}))
    assert (caught.value.field, caught.value.remedies, caught.value.exit_code) == ("steps", ("Do this",), code)


def test_an_answer_that_is_no_problem_is_still_a_sentence() -> None:
    with pytest.raises(DarkroomError, match="answered 502 Bad Gateway"):
        asyncio.run(session(lambda request: httpx.Response(502, text="<html>")).queue())
