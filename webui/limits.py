"""How much a guest may have in the line at once."""

from __future__ import annotations

from webui.core.errors import TooMany
from webui.core.job import Identity, State
from webui.core.settings import Settings
from webui.jobs.queue import Queue


def check_waiting(queue: Queue, settings: Settings, who: Identity) -> None:
    """Raises TooMany when a guest has as many waiting jobs as one may have."""
    if who.is_owner:
        return
    waiting = queue.count(State.QUEUED, who.id)
    if waiting >= settings.max_waiting_visitor:
        raise TooMany(f"You have {waiting} jobs waiting, which is as many as a guest may have. Let one finish first.")
