"""The Queue tab: what runs, what waits and in which place, what has ended; the scripts fill it."""

from __future__ import annotations

from webui.ui.html import area, button, element
from webui.ui.page import Page


def build(page: Page) -> None:
    """Build the tab inside its Gradio context."""
    tools = element(
        "div",
        element("p", id="queue_summary")
        + button("pause", "queue_pause", class_="dk-button", data_owner="")
        + button("clear_waiting", "queue_clear", class_="dk-button"),
        class_="dk-toolbar",
    )
    paused = element("p", id="queue_paused")
    rows = element("div", id="queue_list", role="list") + element("div", id="queue_empty", class_="dk-nothing")
    area(element("div", tools + paused + rows, class_="dk-list"), "queue_area")
