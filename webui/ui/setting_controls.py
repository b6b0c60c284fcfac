"""The control of a setting, drawn from the settings model: for the Settings tab, and for the head of the page."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import gradio as gr
from gradio.components.base import Component
from gradio.i18n import I18nData
from pydantic.fields import FieldInfo

from webui.core.registry import Registry
from webui.extension_languages import BROWSERS, ENGLISH
from webui.ui.texts import t

_GREATEST_SLIDER = 200
_MOST_SEGMENTS = 3
_GREATEST_SMALL = 2
"""The arrows of numbers that stay below it go by hundredths."""

_Choices = list[str | int | float | tuple[str | I18nData, str | int | float]]


def setting_control(name: str, info: FieldInfo, registry: Registry, *, labelled: bool = False) -> Component:
    """The component that edits this setting, with the model's default in it.

    The values in force come over the API, so that the page's configuration, which guests can read, tells nothing.
    """
    default = info.get_default(call_default_factory=True)
    common: dict[str, Any] = {
        "label": t(f"setting_{name}"),
        "show_label": labelled,
        "elem_id": f"setting_{name}",
        "interactive": True,
    }
    low, high = _limit(info, "ge"), _limit(info, "le")
    choices = _choices(info, registry)
    component: Component
    if isinstance(default, bool):
        component = gr.Checkbox(value=default, **common)
    elif is_list(info):
        # What there is to choose from comes with the values: it is the owner's to know.
        component = gr.CheckboxGroup(choices=[], value=[], **common)
    elif choices and len(choices) <= _MOST_SEGMENTS and not extra_of(info).get("catalogue"):
        component = gr.Radio(choices=choices, value=default, elem_classes="dk-segments", **common)
    elif choices:
        component = gr.Dropdown(choices=choices, value=default, **common)
    elif isinstance(default, int) and low is not None and high is not None and high <= _GREATEST_SLIDER:
        component = gr.Slider(low, high, step=1, value=default, buttons=[], **common)
    elif isinstance(default, int | float):
        small = isinstance(default, float) and high is not None and high < _GREATEST_SMALL
        precision = 0 if isinstance(default, int) else None
        component = gr.Number(value=default, precision=precision, step=0.01 if small else 1, **common)
    else:
        component = gr.Textbox(value=str(default), lines=1, max_lines=1, **common)
    return component


def is_list(info: FieldInfo) -> bool:
    """Whether the setting is a list of names."""
    return get_origin(info.annotation) is tuple


def extra_of(info: FieldInfo) -> dict[str, Any]:
    """What core/settings.py says of the setting for the page."""
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def _choices(info: FieldInfo, registry: Registry) -> _Choices:
    """(label, value) of each value that the setting can have; empty where any will do."""
    if get_origin(info.annotation) is Literal:
        labels = extra_of(info)["labels"]
        return [(labels[value], value) for value in get_args(info.annotation)]
    if extra_of(info).get("catalogue") == "attention":
        return [(row.title, row.name) for row in registry.attention]
    if extra_of(info).get("catalogue") == "languages":
        # The others come with the values.
        return [(t("language_of_browser"), BROWSERS), (ENGLISH, ENGLISH)]
    return []


def _limit(info: FieldInfo, kind: str) -> float | None:
    return next((getattr(rule, kind) for rule in info.metadata if hasattr(rule, kind)), None)
