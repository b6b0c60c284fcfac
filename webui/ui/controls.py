"""A row of core.fields as a Gradio component, with A1111's label and element id."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components.base import Component

from webui.core.fields import Field
from webui.core.registry import Registry, Table
from webui.ui.texts import t


def choices_of(field: Field, registry: Registry) -> list[str]:
    """The names a choice offers at build time; the page's scripts put the checkpoints beside a default of these."""
    tables: dict[str | None, Table[Any]] = {
        "samplers": registry.samplers,
        "schedules": registry.schedules,
        "attention": registry.attention,
        "upscalers": registry.upscalers,
    }
    if field.choices:
        return list(field.choices)
    if field.kind == "names":
        # The page's scripts fetch them.
        return []
    table = tables.get(field.catalogue)
    names = table.names() if table is not None else []
    return names if field.default in names else [field.default, *names]


def control(field: Field, prefix: str, value: Any, choices: list[str] | None = None, **options: Any) -> Component:
    """The component that edits this field. `prefix` is the tab's part of the element id; `options` go to Gradio."""
    common: dict[str, Any] = {
        "label": t(f"field_{field.name}"),
        "value": value,
        "elem_id": f"{prefix}_{field.elem_id or field.name}",
        "interactive": True,
        **options,
    }
    component: Component
    if field.kind == "text":
        component = gr.Textbox(**common)
    elif field.kind == "names":
        component = gr.Dropdown(choices=choices or [], multiselect=True, **common | {"value": list(value)})
    elif field.kind == "choice":
        component = gr.Dropdown(choices=choices or [], **common)
    elif field.kind == "bool":
        component = gr.Checkbox(**common)
    elif field.step is None:
        component = gr.Number(precision=0 if field.kind == "int" else None, **common)
    else:
        low, high = field.slider or (field.minimum, field.maximum)
        component = gr.Slider(minimum=low, maximum=high, step=field.step, buttons=[], **common)
    return component
