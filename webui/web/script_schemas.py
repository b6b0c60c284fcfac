"""What the API says of scripts."""

from __future__ import annotations

from pydantic import BaseModel


class ScriptOut(BaseModel):
    """A script, and the extension that brought it."""

    name: str
    title: str
    extension: str


class ScriptsOut(BaseModel):
    """All scripts."""

    scripts: list[ScriptOut]
