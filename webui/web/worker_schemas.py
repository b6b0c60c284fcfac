"""What the API says of workers."""

from __future__ import annotations

from pydantic import BaseModel


class HeldModelOut(BaseModel):
    """A checkpoint in a worker's memory. size_bytes: also of networks that it shares with another model there."""

    name: str
    size_bytes: int
    in_use: bool


class LastLoadOut(BaseModel):
    """The last checkpoint that was loaded, and the seconds it took; swap: whether another one had to go for it."""

    name: str
    seconds: float
    swap: bool


class WorkerOut(BaseModel):
    """A worker: how it is, its device, the device's memory in bytes once that is known, how many jobs run on it.

    models: what is in its memory. Memory, models and `last_load` are told to the owner only.
    """

    state: str
    device: str
    detail: str
    free_bytes: int | None
    total_bytes: int | None
    jobs: int
    models: list[HeldModelOut]
    last_load: LastLoadOut | None


class AttentionBackendOut(BaseModel):
    """A way to compute attention; where it is not available, torch's own computes, for this reason.

    reason: the end of a sentence that begins with the title, "" where nothing is known against it.
    """

    name: str
    title: str
    aliases: list[str]
    available: bool
    reason: str


class AttentionOut(BaseModel):
    """All ways to compute attention."""

    attention: list[AttentionBackendOut]


class UnloadedOut(BaseModel):
    """What became of a worker's checkpoints: names of those that went, and of those that stay since a job has them."""

    device: str
    unloaded: list[str]
    in_use: list[str]


class WorkersUnloadedOut(BaseModel):
    """The answer of every worker."""

    workers: list[UnloadedOut]
