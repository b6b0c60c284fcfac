"""The Settings tab, drawn from the settings model: a section a heading, a setting a row with label and control."""

from __future__ import annotations

import json
from html import escape
from typing import Any, Literal, get_args, get_origin

import gradio as gr
from gradio.components.base import Component
from gradio.i18n import I18nData
from pydantic.fields import FieldInfo

from webui.core.settings import Settings
from webui.ui.html import area, element
from webui.ui.page import Page
from webui.ui.texts import EN, t

# Shown in the head of the page, as A1111's quicksettings are, and therefore not here.
_IN_HEAD = ("sd_model_checkpoint",)
_GREATEST_SLIDER = 200
_MOST_SEGMENTS = 3


def build(page: Page) -> None:
    """Build the tab inside its Gradio context.

    The controls are made with the model's defaults; the values in force come over the API when the owner opens the
    tab, so that the page's configuration, which guests can read, tells nothing.
    """
    sections = _sections()
    with gr.Row(elem_id="settings_toolbar"):
        search = element(
            "input",
            type="search",
            id="settings_search",
            autocomplete="off",
            placeholder=EN["settings_search"],
            aria_label=EN["settings_search"],
            data_t_placeholder="settings_search",
        )
        area(search, "settings_search_area")
        apply = gr.Button(t("settings_apply"), elem_id="settings_submit", variant="primary", size="md")
    controls: dict[str, Component] = {}
    with gr.Row(elem_id="settings_body"):
        links = "".join(element("a", escape(name), href=f"#{_anchor(name)}") for name in sections)
        area(element("nav", links, id="settings_nav", data_t_label="settings_nav"), "settings_nav_area")
        with gr.Column(elem_id="settings_sections"):
            for name, rows in sections.items():
                with gr.Column(elem_id=_anchor(name), elem_classes="dk-section"):
                    area(element("h2", escape(name)), f"{_anchor(name)}_title")
                    for setting, info in rows.items():
                        controls[setting] = _row(setting, info, page)
            area(
                element("p", class_="dk-nothing", hidden="", id="settings_none", data_t="settings_none"), "settings_end"
            )
    _connect(controls, apply)


def _sections() -> dict[str, dict[str, FieldInfo]]:
    found: dict[str, dict[str, FieldInfo]] = {}
    for name, info in Settings.model_fields.items():
        if name not in _IN_HEAD:
            found.setdefault(str(_extra(info)["section"]), {})[name] = info
    return found


def _row(name: str, info: FieldInfo, page: Page) -> Component:
    """One row: what the setting is and means at the left, its control at the right."""
    restart = element("p", data_t="settings_restart", class_="dk-second") if _extra(info).get("restart") else ""
    said = element("p", escape(info.title or name)) + element("p", escape(info.description or ""), class_="dk-second")
    reports = element("div", data_reports=_extra(info)["catalogue"]) if _is_list(info) else ""
    with gr.Row(elem_classes="dk-setting", elem_id=f"row_{name}"):
        area(said + restart + reports, f"about_{name}")
        return _control(name, info, page)


def _control(name: str, info: FieldInfo, page: Page) -> Component:
    default = info.get_default(call_default_factory=True)
    common: dict[str, Any] = {
        "label": info.title,
        "show_label": False,
        "elem_id": f"setting_{name}",
        "interactive": True,
    }
    low, high = _limit(info, "ge"), _limit(info, "le")
    choices = _choices(info, page)
    component: Component
    if isinstance(default, bool):
        component = gr.Checkbox(value=default, **common)
    elif _is_list(info):
        # What there is to choose from comes with the values: it is the owner's to know.
        component = gr.CheckboxGroup(choices=[], value=[], **common)
    elif choices and len(choices) <= _MOST_SEGMENTS and not _extra(info).get("catalogue"):
        component = gr.Radio(choices=choices, value=default, elem_classes="dk-segments", **common)
    elif choices:
        component = gr.Dropdown(choices=choices, value=default, **common)
    elif isinstance(default, int) and low is not None and high is not None and high <= _GREATEST_SLIDER:
        component = gr.Slider(low, high, step=1, value=default, buttons=[], **common)
    elif isinstance(default, int | float):
        component = gr.Number(value=default, precision=0 if isinstance(default, int) else None, **common)
    else:
        component = gr.Textbox(value=str(default), lines=1, max_lines=1, **common)
    return component


def _choices(info: FieldInfo, page: Page) -> list[str | int | float | tuple[str | I18nData, str | int | float]]:
    """(label, value) of each value that the setting can have; empty where any will do."""
    if get_origin(info.annotation) is Literal:
        labels = _extra(info)["labels"]
        return [(labels[value], value) for value in get_args(info.annotation)]
    if _extra(info).get("catalogue") == "attention":
        return [(row.title, row.name) for row in page.service.registry.attention]
    return []


def _is_list(info: FieldInfo) -> bool:
    return get_origin(info.annotation) is tuple


def _list(info: FieldInfo) -> dict[str, Any]:
    return {"catalogue": _extra(info)["catalogue"], "inverted": bool(_extra(info).get("inverted"))}


def _connect(controls: dict[str, Component], apply: gr.Button) -> None:
    """Apply sends what has changed as one PATCH; a hidden button lets the scripts fill the controls."""
    names = json.dumps(list(controls))
    fields = Settings.model_fields
    lists = json.dumps({name: _list(info) for name, info in fields.items() if _is_list(info)})
    components = list(controls.values())
    apply.click(None, components, None, js=f"(...values) => darkroom.settings.save({names}, values)")
    fill = gr.Button(elem_id="settings_fill", visible="hidden")
    fill.click(None, None, components, js=f"() => darkroom.settings.take({names}, {lists})")


def _limit(info: FieldInfo, kind: str) -> float | None:
    return next((getattr(rule, kind) for rule in info.metadata if hasattr(rule, kind)), None)


def _extra(info: FieldInfo) -> dict[str, Any]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def _anchor(section: str) -> str:
    return "settings_" + "".join(c if c.isalnum() else "_" for c in section.casefold())
