"""The page's own tabs, in A1111's order."""

from __future__ import annotations

from webui.core.registry import Tab
from webui.plugins.hooks import hookimpl


@hookimpl
def tabs() -> list[Tab]:
    """Rows of the tabs that are built; their builders live in ui/tabs and are resolved when the page is made."""
    return [
        Tab("txt2img", "webui.ui.tabs.txt2img:build", "tab_txt2img", 10),
    ]
