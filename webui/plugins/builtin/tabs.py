"""The page's own tabs, in A1111's order."""

from __future__ import annotations

from webui.core.registry import Tab
from webui.plugins.hooks import hookimpl


@hookimpl
def tabs() -> list[Tab]:
    """Rows of the tabs that are built; their builders live in ui/tabs and are resolved when the page is made."""
    return [
        Tab("txt2img", "webui.ui.tabs.txt2img:build", "tab_txt2img", 10),
        Tab("PNG Info", "webui.ui.tabs.pnginfo:build", "tab_pnginfo", 40),
        Tab("Models", "webui.ui.tabs.models:build", "tab_models", 50),
        Tab("Merge & convert", "webui.ui.tabs.model_works:build", "tab_modelmerger", 52, owner_only=True),
        Tab("Gallery", "webui.ui.tabs.gallery:build", "tab_gallery", 60),
        Tab("Queue", "webui.ui.tabs.queue:build", "tab_queue", 70),
        Tab("Extensions", "webui.ui.tabs.extensions:build", "tab_extensions", 80, owner_only=True),
        Tab("Settings", "webui.ui.tabs.settings:build", "tab_settings", 90, owner_only=True),
    ]
