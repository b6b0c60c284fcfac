"""What a route of an extension is asked, and what it may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from webui.core.job import Identity, Job, StoredPicture


class Rooms(Protocol):
    """What a route may do in the house, with the rights of whoever asks. All of it blocks, and raises DarkroomError."""

    def pictures(self, limit: int = 60, before: float | None = None, search: str = "") -> list[StoredPicture]:
        """The asker's own pictures, newest first, created before `before`, `search` words in the infotext."""
        ...

    def picture_file(self, picture_id: str) -> Path:
        """Where a picture lies."""
        ...

    def submit(self, values: Mapping[str, Any]) -> Job:
        """Put a request into the line."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """values: of the query of a GET, of the JSON object of a POST. who: the asker."""

    values: Mapping[str, Any]
    who: Identity
    house: Rooms


@dataclass(frozen=True, slots=True)
class Reply:
    """Anything but JSON: the bytes, and their media type."""

    data: bytes
    media_type: str = "application/octet-stream"
