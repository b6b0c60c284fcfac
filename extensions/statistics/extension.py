"""A tab with plots of what somebody has made, and the address that they are drawn from."""

from __future__ import annotations

from typing import Any

from webui.extend import Asked, Route, Tab, hookimpl

from .counting import Counts

MOST = 20_000
"""So many pictures are looked at, the newest."""
_PAGE = 500


@hookimpl
def tabs() -> list[Tab]:
    """The tab is empty until web/statistics.js draws it."""
    return [Tab("Statistics", "ui:build", "tab_statistics", 65)]


@hookimpl
def routes() -> list[Route]:
    """GET /api/v1/x/statistics/counts: everybody sees what is theirs."""
    return [Route("counts", "extension:counts", level="visitor")]


def counts(asked: Asked) -> dict[str, Any]:
    """How many of the asker's pictures there are, all together and by each of what they have in common."""
    found, before = Counts(), None
    while found.pictures < MOST:
        page = asked.house.pictures(_PAGE, before)
        for picture in page:
            found.add(picture.created, picture.infotext, picture.width, picture.height)
        if len(page) < _PAGE:
            break
        before = page[-1].created
    return found.to_json()
