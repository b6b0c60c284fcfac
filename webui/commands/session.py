"""The house as commands see it: a running server if there is one, else our own queue and worker."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from webui.app import local_workers
from webui.commands.common import engine_config, settings_store
from webui.commands.own import OwnSession
from webui.commands.remote import RemoteSession
from webui.core.events import Event
from webui.core.options import Options
from webui.instance import running

_OF_A_START = (
    "settings",
    "devices",
    "precision",
    "vae_precision",
    "vram_mode",
    "sub_quad_q_chunk_size",
    "sub_quad_kv_chunk_size",
    "sub_quad_chunk_threshold",
)
_STARTED = (
    "Darkroom runs already, and does this as it was started: flags for the start, such as --xformers, --ckpt or "
    "--no-half, change nothing here. Stop it first, or say it of the request, as by --attention.\n"
)


class Session(Protocol):
    """What a command may ask for. Ids are those of jobs and pictures; jobs come as the API's JSON."""

    async def submit(self, values: Mapping[str, Any], script: str = "") -> str:
        """Accept a request, or start a script with it; the job's id."""
        ...

    async def notes(self, job_id: str) -> list[str]:
        """What is done otherwise than the job asks, in sentences, as far as that is known."""
        ...

    def events(self, job_id: str) -> AsyncIterator[Event]:
        """The job's events, until it ends."""
        ...

    async def picture(self, picture_id: str) -> bytes:
        """The picture's file."""
        ...

    async def place(self, picture_id: str) -> str:
        """Where the picture lies: its path, or its address on another machine."""
        ...

    async def queue(self) -> dict[str, Any]:
        """{"running": n, "waiting": n, "paused": bool, "jobs": [...]}, running jobs first."""
        ...

    async def act(self, verb: str, job_id: str = "") -> None:
        """Do to a job (interrupt, skip, cancel, front) or to the line (pause, resume, clear)."""
        ...


def open_session(options: Options) -> AbstractAsyncContextManager[Session]:
    """The session of these options. Without a server, a worker is started with the first job that is submitted."""
    instance = running(options.paths)
    if instance is not None:
        if _says_how_to_start(options):
            sys.stderr.write(_STARTED)
        return RemoteSession.open(instance)
    settings = settings_store(options)
    # One worker, on the first device: a command has one job, and jobs are not divided.
    return OwnSession.open(options.paths, settings, local_workers([engine_config(options, settings)]))


def _says_how_to_start(options: Options) -> bool:
    plain = Options()
    return any(getattr(options, name) != getattr(plain, name) for name in _OF_A_START)
