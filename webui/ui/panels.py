"""The fields of extensions on the page: the place that the scripts draw them in, and what they are told."""

from __future__ import annotations

from typing import Any

from webui.core.panels import ENABLED, Panel, Panels
from webui.ui.html import area, element


def panels_place(task: str) -> None:
    """Where the task's panels stand, under A1111's id for what its extensions add to the form."""
    area(element("div", class_="dk-panels"), f"{task}_script_container")


def told(panels: Panels, task: str) -> list[dict[str, Any]]:
    """The panels, JSON-ready. Controls are made by the scripts when a panel is opened: there may be hundreds."""
    return [_told(panel, task) for panel in panels.values()]


def _told(panel: Panel, task: str) -> dict[str, Any]:
    enabled = panel.rows.get(ENABLED)
    rows = [
        {
            "name": row.name,
            "id": f"{task}_{panel.name}_{name}",
            "kind": row.kind,
            "label": row.label,
            "help": row.help,
            "default": row.default,
            "minimum": row.minimum,
            "maximum": row.maximum,
            "slider": row.slider,
            "step": row.step,
            "multiple": row.multiple,
            "choices": list(row.choices),
        }
        for name, row in panel.rows.items()
    ]
    whole = enabled.name if enabled else None
    return {"name": panel.name, "title": panel.title, "help": panel.help, "enabled": whole, "rows": rows}
