"""The tabs under the prompts, as in A1111: the form, and cards of what prompts name and of checkpoints; A1111's ids."""

from __future__ import annotations

from webui.ui.card_lists import card_list
from webui.ui.html import element, said

KINDS = {"textual_inversion": "embedding", "checkpoints": "checkpoint", "lora": "lora"}
"""The kind of model on each tab, by A1111's name of it."""
_GENERATION = "generation"


def tab_row(task: str) -> str:
    """The tabs; the form is open."""
    tabs = [_tab(task, _GENERATION, "generation", chosen=True)]
    tabs += [_tab(task, name, f"kind_{kind}") for name, kind in KINDS.items()]
    return element("div", "".join(tabs), id=f"{task}_extra_tabs", role="tablist", data_t_label="extra_tabs")


def card_panels(task: str) -> str:
    """What the tabs with cards open."""
    return "".join(_panel(task, name, kind) for name, kind in KINDS.items())


def _tab(task: str, name: str, key: str, *, chosen: bool = False) -> str:
    return said(
        key,
        "button",
        type="button",
        role="tab",
        id=f"{task}_{name}-button",
        data_tab=name,
        aria_selected=str(chosen).lower(),
        aria_controls=f"{task}_settings" if name == _GENERATION else f"{task}_{name}",
        tabindex="0" if chosen else "-1",
    )


def _panel(task: str, name: str, kind: str) -> str:
    start = f"{task}_{name}"
    ids = {
        "search": f"{start}_extra_search",
        "sort": f"{start}_extra_sort",
        "order": f"{start}_extra_sort_dir",
        "folders": f"{start}_tree",
        "grid": f"{start}_cards",
        "count": f"{start}_count",
        "empty": f"{start}_empty",
        "more": f"{start}_more",
    }
    return element(
        "div",
        card_list(ids),
        id=start,
        class_="dk-extra-panel",
        role="tabpanel",
        aria_labelledby=f"{start}-button",
        data_kind=kind,
        hidden="",
    )
