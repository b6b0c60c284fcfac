"""The PNG Info tab: any picture, and what its file says of how it was made; the scripts fill it."""

from __future__ import annotations

from webui.ui.html import area, button, element, said
from webui.ui.page import Page


def build(page: Page) -> None:
    """Build the tab inside its Gradio context."""
    words = said("pnginfo_drop", "h2") + said("pnginfo_kinds", "p", class_="dk-second")
    choose = button("pnginfo_choose", "pnginfo_choose", class_="dk-button") + element(
        "input", type="file", id="pnginfo_file", accept="image/*", hidden="", tabindex="-1"
    )
    left = element("div", element("div", words, id="pnginfo_image") + choose, class_="dk-pnginfo-picture")
    right = element("div", id="pnginfo_result", role="status")
    area(element("div", left + right, class_="dk-pnginfo"), "pnginfo_area")
