"""The Gallery tab: own pictures, newest first, and the one that is chosen beside them; the scripts fill it."""

from __future__ import annotations

from webui.ui.html import area, button, element
from webui.ui.page import Page
from webui.ui.texts import EN


def build(page: Page) -> None:
    """Build the tab inside its Gradio context."""
    search = element(
        "input",
        type="search",
        id="gallery_search",
        autocomplete="off",
        placeholder=EN["gallery_search"],
        aria_label=EN["gallery_search"],
        data_t_placeholder="gallery_search",
    )
    grid = element("div", id="gallery_grid", role="list", data_t_label="results")
    more = button("gallery_more", "gallery_more", class_="dk-button", hidden="")
    left = element("div", grid + element("div", id="gallery_empty", class_="dk-nothing") + more)
    detail = element("aside", id="gallery_detail", hidden="")
    area(
        element("div", search, class_="dk-toolbar") + element("div", left + detail, class_="dk-gallery"),
        "gallery_area",
    )
