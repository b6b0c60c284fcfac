"""The Extensions tab: a card for each, found by words, and the way to further ones; the scripts fill it."""

from __future__ import annotations

from webui.ui.html import area, button, element, said
from webui.ui.page import Page
from webui.ui.texts import EN


def build(page: Page) -> None:
    """Build the tab inside its Gradio context."""
    search = element(
        "input",
        type="search",
        id="extensions_search",
        autocomplete="off",
        placeholder=EN["ext_search"],
        aria_label=EN["ext_search"],
        data_t_placeholder="ext_search",
    )
    tools = element(
        "div",
        search
        + button("ext_add", "extensions_add", class_="dk-button", data_primary="", data_changes="")
        + button("ext_updates", "extensions_updates", class_="dk-button", data_changes=""),
        class_="dk-toolbar",
    )
    locked = element("p", id="extensions_locked", class_="dk-ext-said", hidden="")
    restart = button("ext_restart_now", "extensions_restart_now", class_="dk-button")
    waits = element(
        "div", said("ext_restart") + restart, id="extensions_restart", class_="dk-ext-said", role="status", hidden=""
    )
    work = element("div", id="extensions_work", class_="dk-ext-said", role="status", hidden="")
    rows = element("div", id="extensions_list", role="list", data_t_label="ext_list")
    empty = element("div", id="extensions_empty", class_="dk-nothing")
    found = element(
        "section",
        said("ext_found", "h2")
        + element("div", id="extensions_problems")
        + element("div", id="extensions_found", role="list", data_t_label="ext_found"),
        id="extensions_index",
        hidden="",
    )
    area(element("div", tools + locked + waits + work + rows + empty + found, class_="dk-list"), "extensions_area")
