"""The head of every tab: brand, quicksettings, the worker's state, the theme switch; A1111's ids."""

from __future__ import annotations

import json

import gradio as gr
from gradio.components.base import Component

from webui.core.job import LOCAL_OWNER
from webui.core.request import split_names
from webui.core.setting_rows import OF_PANELS
from webui.core.settings import Settings
from webui.ui.html import area, element, named, sign
from webui.ui.page import Page
from webui.ui.setting_controls import extra_of, is_list, setting_control
from webui.ui.texts import EN, t

CHECKPOINT, VAE = "sd_model_checkpoint", "sd_vae"
_PARTS = (VAE, "sd_text_encoders")
"""Both are set by the one picker."""


def pinned(page: Page) -> list[str]:
    """The settings that stand in the head, in order; the checkpoint always does. Lists of names are left out."""
    settings = page.service.settings(LOCAL_OWNER)
    fit = [
        name for name, info in Settings.model_fields.items() if not is_list(info) and OF_PANELS not in extra_of(info)
    ]
    known = [name for name in settings.quicksettings_list if name in fit]
    known = [name for name in known if name not in _PARTS[1:]]
    return list(dict.fromkeys(known if CHECKPOINT in known else [CHECKPOINT, *known]))


def in_head(page: Page) -> set[str]:
    """The settings that the head sets, which the Settings tab has no row for."""
    names = set(pinned(page))
    return names | set(_PARTS) if VAE in names else names


def build_head(page: Page) -> None:
    """Build it inside the page's Gradio context; the checkpoint's control goes into `page.fields`."""
    with gr.Row(elem_id="dk_head"):
        area(element("h1", element("i", aria_hidden="true") + "Darkroom"), "dk_brand")
        with gr.Row(elem_id="quicksettings"):
            _quicksettings(page)
        state = element(
            "span",
            element("i") + element("span", EN["worker_unknown"]) + element("small"),
            id="dk_worker",
            role="status",
        )
        memory = element("button", _DOWN, type="button", id="dk_memory_open", **named("memory"))
        switch = element("button", _MOON, type="button", id="dk_theme", aria_label="Theme")
        area(state + memory + element("span", sign("?", "dk_help", "keys") + switch, class_="dk-tools"), "dk_state")


def _quicksettings(page: Page) -> None:
    others: dict[str, Component] = {}
    for name in pinned(page):
        if name == CHECKPOINT:
            _checkpoint(page)
        elif name == VAE:
            _parts(page)
        else:
            with gr.Column(elem_classes="dk-pinned", elem_id=f"pinned_{name}"):
                info = Settings.model_fields[name]
                others[name] = setting_control(name, info, page.service.registry, labelled=True)
    for name, control in others.items():
        control.change(None, control, None, js=f"(value) => darkroom.settings.pinned({json.dumps(name)}, value)")
    if others:
        fill = gr.Button(elem_id="quicksettings_fill", visible="hidden")
        names = json.dumps(list(others))
        fill.click(None, None, list(others.values()), js=f"() => darkroom.settings.takePinned({names})")


def _checkpoint(page: Page) -> None:
    titles = [c.title for c in page.service.checkpoints(LOCAL_OWNER) if c.problem is None]
    chosen = page.defaults.get("checkpoint", "")
    checkpoint = gr.Dropdown(
        choices=titles,
        value=chosen if chosen in titles else None,
        label=t("checkpoint"),
        elem_id=f"setting_{CHECKPOINT}",
        interactive=True,
    )
    area(sign("↻", "refresh_sd_model_checkpoint", "refresh_checkpoints"), "dk_refresh")
    page.fields["page"] = {"checkpoint": checkpoint}
    checkpoint.input(None, checkpoint, None, js="(title) => darkroom.models.choose(title)")
    apply = gr.Button(elem_id="dk_checkpoint_apply", visible="hidden")
    apply.click(None, None, checkpoint, js="() => darkroom.models.take()")


def _parts(page: Page) -> None:
    """VAE and text encoders in one field, as in Forge, under A1111's id of the VAE; the scripts know what fits."""
    current = page.service.public_settings()
    vae = [] if current["sd_vae"] in ("", "Automatic") else [current["sd_vae"]]
    names = [*vae, *split_names(current["sd_text_encoders"])] or ["Automatic"]
    parts = gr.Dropdown(
        choices=names,
        value=names,
        multiselect=True,
        label=t("modules"),
        elem_id=f"setting_{VAE}",
        interactive=True,
    )
    parts.input(None, parts, parts, js="(names) => darkroom.modules.choose(names)")
    apply = gr.Button(elem_id="dk_modules_apply", visible="hidden")
    apply.click(None, None, parts, js="() => darkroom.modules.take()")


_DOWN = (
    '<svg viewBox="0 0 24 24" width="14" height="14" fill="none" stroke="currentColor" stroke-width="1.8" '
    'aria-hidden="true"><path d="M5 9l7 7 7-7"/></svg>'
)
_MOON = (
    '<svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="1.6" '
    'aria-hidden="true"><path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"/></svg>'
)
