"""The answers about captioners."""

from __future__ import annotations

from pydantic import BaseModel


class CaptionerOut(BaseModel):
    """A model that puts pictures into words. problem: why it cannot be used, null where it can."""

    name: str
    kind: str
    problem: str | None


class CaptionersOut(BaseModel):
    """All of them. get: what to get and where to put it, for the owner where none can be used; else empty."""

    captioners: list[CaptionerOut]
    get: str
