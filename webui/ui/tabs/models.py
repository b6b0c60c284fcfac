"""The Models tab: a tree of folders and cards of models, found by words, in a chosen order; the scripts fill it."""

from __future__ import annotations

from collections.abc import Iterable

from webui.engine.cards.listing import SORTS
from webui.engine.cards.shelf import KINDS
from webui.ui.html import area, element, sign
from webui.ui.page import Page
from webui.ui.texts import EN


def build(page: Page) -> None:
    """Build the tab inside its Gradio context."""
    search = element(
        "input",
        type="search",
        id="models_search",
        autocomplete="off",
        placeholder=EN["models_search"],
        aria_label=EN["models_search"],
        data_t_placeholder="models_search",
    )
    kinds = _select("models_kind", "models_kind", ((kind, f"kind_{kind}") for kind in KINDS))
    sorts = _select("models_sort", "models_sort", ((sort, f"sort_{sort}") for sort in SORTS))
    order = sign("↑", "models_order", "models_descending")
    tools = element("div", search + kinds + sorts + order, class_="dk-toolbar")
    folders = element("nav", id="models_folders", data_t_label="models_folders", hidden="")
    grid = element("div", id="models_grid", role="list", data_t_label="models_list")
    nothing = element("div", id="models_empty", class_="dk-nothing")
    more = element("button", EN["gallery_more"], type="button", id="models_more", class_="dk-button", hidden="",
                   data_t="gallery_more")  # fmt: skip
    count = element("p", id="models_count", class_="dk-second", role="status")
    shown = element("div", count + grid + nothing + more, class_="dk-models-shown")
    area(tools + element("div", folders + shown, class_="dk-models"), "models_area")


def _select(elem_id: str, key: str, options: Iterable[tuple[str, str]]) -> str:
    """A plain choice; the page's own dropdowns are for values of requests."""
    inner = "".join(element("option", EN[said], value=value, data_t=said) for value, said in options)
    return element("select", inner, id=elem_id, aria_label=EN[key], data_t_label=key, autocomplete="off")
