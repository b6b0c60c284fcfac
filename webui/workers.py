"""The workers as the page, the API and the CLI see them: how each is, what is in its memory, and how that leaves it."""

from __future__ import annotations

import asyncio
from typing import Any

from webui.core.errors import NotAllowed
from webui.core.job import Identity
from webui.jobs.fleet import Worker
from webui.jobs.scheduler import Scheduler


class Workers:
    """What may be asked of the workers that make pictures, and by whom."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def views(self, who: Identity) -> list[dict[str, Any]]:
        """Each worker's state; what is in memory, and why one does not work, is the owner's to know."""
        views = [_view(worker) for worker in self._scheduler.workers]
        return views if who.is_owner else [view | _withheld(view["state"]) for view in views]

    def device_types(self) -> tuple[str, ...]:
        """The kinds of device that the workers compute on ("cuda"), each once, as far as they have said it yet."""
        found = (worker.status.device_type for worker in self._scheduler.workers)
        return tuple(dict.fromkeys(filter(None, found)))

    async def unload(self, who: Identity) -> list[dict[str, Any]]:
        """Have each worker drop the models that no job uses: for each, those that went and those that are in use.

        A job that needs a model loads it again by itself.
        """
        if not who.is_owner:
            raise NotAllowed("Only the owner of this machine may unload models.")
        workers = self._scheduler.workers
        answers = await asyncio.gather(*(worker.executor.unload() for worker in workers))
        return [
            {"device": worker.status.device, "unloaded": list(answer.dropped), "in_use": list(answer.in_use)}
            for worker, answer in zip(workers, answers, strict=True)
        ]

    def renew(self, who: Identity) -> None:
        """Put a fresh process in each worker's place once it has no job: it loads extensions as they are then."""
        if not who.is_owner:
            raise NotAllowed("Only the owner of this machine may renew its workers.")
        self._scheduler.renew()


def _view(worker: Worker) -> dict[str, Any]:
    status, load = worker.status, worker.status.last_load
    return {
        "state": status.state,
        "device": status.device,
        "detail": status.detail,
        "free_bytes": status.free,
        "total_bytes": status.total,
        "jobs": len(worker.jobs),
        "models": [
            {"name": model.name, "size_bytes": model.size_bytes, "in_use": worker.uses(model.name)}
            for model in status.models
        ],
        "last_load": load and {"name": load.name, "seconds": load.seconds, "swap": load.dropped},
    }


def _withheld(state: str) -> dict[str, Any]:
    """What everybody but the owner is told in place of what is the owner's to know."""
    detail = "It makes no pictures until the owner has seen to it." if state == "failed" else ""
    return {"detail": detail, "free_bytes": None, "total_bytes": None, "models": [], "last_load": None}
