"""The Settings tab, drawn from the settings model: a section a heading, a setting a row with label and control."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio.components.base import Component
from pydantic.fields import FieldInfo

from webui.core.setting_rows import OF_PANELS, section_key
from webui.core.settings import Settings
from webui.ui.head import in_head
from webui.ui.html import area, element, said
from webui.ui.page import Page
from webui.ui.setting_controls import extra_of, is_list, setting_control
from webui.ui.texts import EN, t


def build(page: Page) -> None:
    """Build the tab inside its Gradio context.

    The values in force come over the API when the owner opens the tab.
    """
    sections = _sections(page)
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
        links = "".join(said(section_key(name), "a", href=f"#{_anchor(name)}") for name in sections)
        area(element("nav", links, id="settings_nav", data_t_label="settings_nav"), "settings_nav_area")
        with gr.Column(elem_id="settings_sections"):
            for name, rows in sections.items():
                with gr.Column(elem_id=_anchor(name), elem_classes="dk-section"):
                    area(said(section_key(name), "h2"), f"{_anchor(name)}_title")
                    for setting, info in rows.items():
                        controls[setting] = _row(setting, info, page)
            area(
                element("p", class_="dk-nothing", hidden="", id="settings_none", data_t="settings_none"), "settings_end"
            )
    _connect(controls, apply)


def _sections(page: Page) -> dict[str, dict[str, FieldInfo]]:
    """The settings by section; what is pinned in the head, as A1111's quicksettings are, stands there instead.

    Sections of the fields of extensions are added by the scripts.
    """
    head = in_head(page)
    found: dict[str, dict[str, FieldInfo]] = {}
    for name, info in Settings.model_fields.items():
        if name not in head and OF_PANELS not in extra_of(info):
            found.setdefault(str(extra_of(info)["section"]), {})[name] = info
    return found


def _row(name: str, info: FieldInfo, page: Page) -> Component:
    """One row: what the setting is and means at the left, its control at the right."""
    restart = element("p", data_t="settings_restart", class_="dk-second") if extra_of(info).get("restart") else ""
    words = said(f"setting_{name}", "p")
    if info.description:
        words += said(f"setting_help_{name}", "p", class_="dk-second")
    reports = element("div", data_reports=extra_of(info)["catalogue"]) if is_list(info) else ""
    with gr.Row(elem_classes="dk-setting", elem_id=f"row_{name}"):
        area(words + restart + reports, f"about_{name}")
        return setting_control(name, info, page.service.registry)


def _list(info: FieldInfo) -> dict[str, Any]:
    return {"catalogue": extra_of(info)["catalogue"], "inverted": bool(extra_of(info).get("inverted"))}


def _connect(controls: dict[str, Component], apply: gr.Button) -> None:
    """Apply sends what has changed as one PATCH; a hidden button lets the scripts fill the controls."""
    names = json.dumps(list(controls))
    fields = Settings.model_fields
    lists = json.dumps({name: _list(info) for name, info in fields.items() if is_list(info)})
    components = list(controls.values())
    apply.click(None, components, None, js=f"(...values) => darkroom.settings.save({names}, values)")
    fill = gr.Button(elem_id="settings_fill", visible="hidden")
    taken = fill.click(
        None, components, components, js=f"(...values) => darkroom.settings.take({names}, {lists}, values)"
    )
    taken.then(None, None, None, js="() => darkroom.settings.filled()")


def _anchor(section: str) -> str:
    return "settings_" + "".join(c if c.isalnum() else "_" for c in section.casefold())
