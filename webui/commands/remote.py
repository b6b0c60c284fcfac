"""A running server, reached over its API with the owner's token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from webui.core.errors import Conflict, DarkroomError, InvalidField, InvalidRequest, NotFound, Problem, TooMany
from webui.core.events import ENDS, Event, event_from_json
from webui.extension_life.task import Task
from webui.instance import Instance

_RETRY_SECONDS = 1.0
_RETRIES = 60
_LOOK_SECONDS = 0.1
_KINDS: dict[int, type[DarkroomError]] = {
    400: InvalidField,
    404: NotFound,
    409: Conflict,
    422: InvalidField,
    429: TooMany,
}


class RemoteSession:
    """See Session."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    @asynccontextmanager
    async def open(cls, instance: Instance) -> AsyncIterator[RemoteSession]:
        """A session with this server."""
        # No proxy and no certificate check: the server is on this machine, and its token was read from its own file.
        async with httpx.AsyncClient(
            base_url=instance.url.rstrip("/") + "/api/v1/",
            headers={"Authorization": f"Bearer {instance.token}"},
            timeout=60,
            trust_env=False,
            verify=False,
        ) as client:
            yield cls(client)

    async def submit(self, values: Mapping[str, Any], script: str = "") -> str:
        """See Session."""
        answer = await self._ask("POST", f"scripts/{quote(script, safe='')}" if script else "jobs", dict(values))
        return str(answer["id"])

    async def notes(self, job_id: str) -> list[str]:
        """See Session."""
        return [str(note) for note in (await self._ask("GET", f"jobs/{job_id}"))["notes"]]

    async def events(self, job_id: str) -> AsyncIterator[Event]:
        """See Session. Follows on where it was when the connection is lost, as at a restart of the server."""
        last, lost = "", 0
        while True:
            try:
                async for number, event in self._stream(job_id, last):
                    last, lost = number, 0
                    yield event
                    if isinstance(event, ENDS):
                        return
            except httpx.TransportError as error:
                lost += 1
                if lost > _RETRIES:
                    raise self._gone() from error
            await asyncio.sleep(_RETRY_SECONDS)

    async def picture(self, picture_id: str) -> bytes:
        """See Session."""
        return (await self._send("GET", f"pictures/{picture_id}/file")).content

    async def place(self, picture_id: str) -> str:
        """See Session: the address, since only the server knows its folders."""
        return str(self._client.base_url.join(f"pictures/{picture_id}/file"))

    async def queue(self) -> dict[str, Any]:
        """See Session."""
        answer: dict[str, Any] = await self._ask("GET", "queue")
        return answer

    async def act(self, verb: str, job_id: str = "") -> None:
        """See Session."""
        if verb == "cancel":
            await self._send("DELETE", f"jobs/{job_id}")
        else:
            await self._send("POST", f"jobs/{job_id}/{verb}" if job_id else f"queue/{verb}")

    async def unload(self) -> list[dict[str, Any]]:
        """Have the workers drop the models that no job uses; for each what went (`unloaded`) and what is `in_use`."""
        workers: list[dict[str, Any]] = (await self._ask("POST", "workers/unload"))["workers"]
        return workers

    async def update_settings(self, values: Mapping[str, Any]) -> None:
        """Change settings of the server; all or none."""
        await self._send("PATCH", "settings", dict(values))

    async def renew_workers(self) -> None:
        """Put a fresh process in each worker's place once it has no job."""
        await self._send("POST", "workers/renew")

    async def extensions(self) -> dict[str, Any]:
        """The cards of all extensions as the API tells them, with whether they can be changed now."""
        found: dict[str, Any] = await self._ask("GET", "extensions")
        return found

    async def switch_extension(self, name: str, task: Task, *, on: bool) -> None:
        """Switch an extension on, for which packages may be installed, or off. Raises DarkroomError."""
        address = f"extensions/{quote(name, safe='')}/{'enable' if on else 'disable'}"
        answer = await self._send("POST", address)
        if not on:
            return
        work = answer.json()
        while work["state"] == "running":
            task.say(work["words"])
            await asyncio.sleep(_LOOK_SECONDS)
            verb = "DELETE" if task.stopped else "GET"
            work = await self._ask(verb, f"extensions/works/{work['id']}")
        if work["problem"]:
            raise _of_problem(Problem.from_json(work["problem"]))

    async def _stream(self, job_id: str, last: str) -> AsyncIterator[tuple[str, Event]]:
        headers = {"Last-Event-ID": last} if last else {}
        async with self._client.stream("GET", f"jobs/{job_id}/events", headers=headers) as response:
            if response.is_error:
                await response.aread()
                raise _error(response)
            number, data = last, ""
            async for line in response.aiter_lines():
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "id":
                    number = value
                elif name == "data":
                    data += value
                elif not line and data:
                    yield number, event_from_json(json.loads(data))
                    data = ""

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        return (await self._send(method, path, body)).json()

    async def _send(self, method: str, path: str, body: object = None) -> httpx.Response:
        # Not httpx's own JSON, which raises what is no sentence for NaN and half characters; the server refuses them.
        content = None if body is None else json.dumps(body)
        try:
            response = await self._client.request(
                method, path, content=content, headers={"Content-Type": "application/json"} if content else None
            )
        except httpx.TransportError as error:
            raise self._gone() from error
        if response.is_error:
            raise _error(response)
        return response

    def _gone(self) -> DarkroomError:
        return DarkroomError(
            f"The Darkroom at {self._client.base_url.copy_with(path='/')} does not answer.",
            remedies=("Look whether it still runs, and start it again",),
        )


def _error(response: httpx.Response) -> DarkroomError:
    """The server's problem as our error, with the exit code that it would have had here."""
    try:
        problem = Problem.from_json(response.json())
    except (ValueError, KeyError, TypeError):
        kind = _KINDS.get(response.status_code, DarkroomError)
        return kind(f"The server answered {response.status_code} {response.reason_phrase}.")
    return _of_problem(problem)


def _of_problem(problem: Problem) -> DarkroomError:
    kind = _KINDS.get(problem.status, DarkroomError)
    if problem.errors:
        return InvalidRequest(InvalidField(f.detail, field=f.field, remedies=f.remedies) for f in problem.errors)
    return kind(problem.detail, field=problem.field, remedies=problem.remedies)
