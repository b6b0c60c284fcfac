"""The prompts that a person used last, out of their own jobs."""

from __future__ import annotations

from dataclasses import dataclass

from webui.core.job import Identity
from webui.core.request import GenerationRequest
from webui.core.script_request import ScriptRequest
from webui.jobs.queue import Queue

_LOOKED_AT = 500
"""So many of the newest jobs; of a series with one prompt only the newest is told."""


@dataclass(frozen=True, slots=True)
class RecentPrompt:
    """What was typed: both prompts with the names of the styles. used: Unix seconds."""

    prompt: str
    negative_prompt: str
    styles: tuple[str, ...]
    used: float


class RecentPrompts:
    """Nobody is told what others have typed, the owner neither."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def of(self, who: Identity, most: int = 30) -> list[RecentPrompt]:
        """Their newest prompts, each pair once. What a script has written is no prompt of theirs."""
        found: dict[tuple[str, str], RecentPrompt] = {}
        for job in self._queue.list(who.id, limit=_LOOKED_AT):
            request = job.request.request if isinstance(job.request, ScriptRequest) else job.request
            if job.parent or not isinstance(request, GenerationRequest) or not request.prompt.strip():
                continue
            pair = request.prompt, request.negative_prompt
            found.setdefault(pair, RecentPrompt(*pair, request.styles, job.created))
            if len(found) == most:
                break
        return list(found.values())
