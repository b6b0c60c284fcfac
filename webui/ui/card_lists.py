"""A list of cards as HTML: its toolbar, the tree of folders and the grid, which the scripts fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from webui.engine.cards.listing import SORTS
from webui.ui.html import element, sign
from webui.ui.texts import EN

PARTS = ("search", "sort", "order", "folders", "grid", "count", "empty", "more")
"""The list's own elements, each of which has an id; "kind" is one more where kinds can be chosen."""


def card_list(ids: Mapping[str, str], kinds: Iterable[str] = ()) -> str:
    """One list. ids: of its elements. kinds: those that can be chosen in it, by a select of their own."""
    search = element(
        "input",
        type="search",
        id=ids["search"],
        autocomplete="off",
        placeholder=EN["models_search"],
        aria_label=EN["models_search"],
        data_t_placeholder="models_search",
    )
    offered = [(kind, f"kind_{kind}") for kind in kinds]
    kind = _select(ids["kind"], "models_kind", offered) if offered else ""
    sorts = _select(ids["sort"], "models_sort", ((sort, f"sort_{sort}") for sort in SORTS))
    order = sign("↑", ids["order"], "models_descending", class_="dk-cards-order")
    tools = element("div", search + kind + sorts + order, class_="dk-toolbar dk-cards-tools")
    folders = element("nav", id=ids["folders"], class_="dk-folders", data_t_label="models_folders", hidden="")
    grid = element("div", id=ids["grid"], class_="dk-cards-grid", role="list", data_t_label="models_list")
    nothing = element("div", id=ids["empty"], class_="dk-nothing")
    more = element("button", EN["gallery_more"], type="button", id=ids["more"], class_="dk-button dk-cards-more",
                   hidden="", data_t="gallery_more")  # fmt: skip
    count = element("p", id=ids["count"], class_="dk-second dk-cards-count", role="status")
    shown = element("div", count + grid + nothing + more, class_="dk-models-shown")
    return tools + element("div", folders + shown, class_="dk-models")


def _select(elem_id: str, key: str, options: Iterable[tuple[str, str]]) -> str:
    """A plain choice; the page's own dropdowns are for values of requests."""
    inner = "".join(element("option", EN[said], value=value, data_t=said) for value, said in options)
    return element("select", inner, id=elem_id, aria_label=EN[key], data_t_label=key, autocomplete="off")
