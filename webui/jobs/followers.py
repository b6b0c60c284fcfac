"""Extensions that follow events: told on a thread of their own, so that a slow one holds up nothing else."""

from __future__ import annotations

import queue
import threading

from webui.core.events import PreviewReady, Progress, Step
from webui.jobs.bus import Envelope
from webui.plugins.manager import Plugins

HOOK = "job_event"
MOST_WAITING = 1000
"""Events that wait to be told, above which those that newer ones replace are left out."""
_PASSING = (Step, Progress, PreviewReady)


class Followers:
    """Hands events to the extensions that want them. `tell` may be called from any thread and returns at once."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._waiting: queue.SimpleQueue[Envelope] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="followers", daemon=True).start()

    def tell(self, envelope: Envelope) -> None:
        """Have this event told after those before it."""
        if not self._plugins.has(HOOK):
            return
        if self._waiting.qsize() < MOST_WAITING or not isinstance(envelope.event, _PASSING):
            self._waiting.put(envelope)

    def _run(self) -> None:
        while True:
            envelope = self._waiting.get()
            self._plugins.observe(HOOK, job_id=envelope.job_id, event=envelope.event)
