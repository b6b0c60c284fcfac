"""The tab of works on models: A1111's merger, convert, prune and get at the left, what is being done at the right."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import gradio as gr
from gradio.components.base import Component

from webui.core.model_work import (
    DIFFUSERS,
    FORMATS,
    KINDS,
    MERGED,
    METADATA_FROM,
    METHODS,
    NONE,
    PRECISIONS,
    ROLES,
    TAKES,
    WEIGHTED_SUM,
)
from webui.ui.html import area, element, said, sign
from webui.ui.page import Page
from webui.ui.texts import t

_TAB = "modelworks"


def build(page: Page) -> None:
    """Build the tab inside its Gradio context. The values leave as one object by field name, as requests do."""
    lists: dict[str, Component] = {}
    ids: dict[str, dict[str, str]] = {}
    with gr.Row(elem_id="modelworks_main"):
        with gr.Column(elem_id="modelworks_forms"), gr.Tabs(elem_id="modelworks_tabs"):
            for name, form in (("merge", _merge), ("convert", _convert), ("prune", _prune), ("get", _get)):
                with gr.Tab(t(f"works_{name}"), elem_id=f"tab_{_TAB}_{name}", id=name):
                    ids |= form(lists)
        with gr.Column(elem_id="modelworks_side"):
            title = element("div", said("works_list", "h2") + _refresh(), class_="dk-toolbar")
            rows = element("div", id="modelworks_list", role="list", data_t_label="works_list")
            empty = element("div", id="modelworks_empty", class_="dk-nothing")
            area(title + rows + empty, "modelworks_list_area")
    page.boot["works"] = ids
    page.boot["merged"] = dict(MERGED)
    page.boot["merge_takes"] = dict(TAKES)
    # The scripts know the models; a press of this button makes Gradio ask them.
    fill = gr.Button(elem_id="modelworks_fill", visible="hidden")
    kinds = json.dumps([name.partition(":")[0] for name in lists])
    fill.click(None, list(lists.values()), list(lists.values()), js=f"(...v) => darkroom.works.take({kinds}, v)")


def _refresh() -> str:
    return sign("↻", "modelworks_refresh", "works_refresh")


def _send(work: str, button: gr.Button, controls: Mapping[str, Component], method: str = "send") -> dict[str, str]:
    """Have a button send its form's values; returns where each field stands, and the button."""
    names = json.dumps(list(controls))
    button.click(
        None,
        list(controls.values()),
        None,
        js=f"(...v) => darkroom.works.{method}({json.dumps(work)}, darkroom.form.named({names}, v))",
    )
    return {name: str(control.elem_id) for name, control in (*controls.items(), ("button", button))}


def _merge(lists: dict[str, Component]) -> dict[str, dict[str, str]]:
    """A1111's Checkpoint Merger, under its ids."""
    controls: dict[str, Component] = {}
    with gr.Row(elem_id="modelmerger_models", elem_classes="dk-pair"):
        for letter, name in MERGED.items():
            key = f"merge_{letter.lower()}"
            controls[name] = _list(key, f"modelmerger_{name}", interactive=letter in TAKES[WEIGHTED_SUM])
            lists[f"models:{key}"] = controls[name]
    method = gr.Radio(
        choices=[*METHODS],
        value=WEIGHTED_SUM,
        label=t("merge_method"),
        elem_id="modelmerger_interp_method",
        interactive=True,
    )
    controls["interp_method"] = method
    area(said("merge_says_weighted_sum", "p", class_="dk-second"), "modelmerger_interp_description")
    models = [controls[name] for name in MERGED.values()]
    method.change(None, method, models, js="(method) => darkroom.works.describe(method)")
    controls["multiplier"] = gr.Slider(
        minimum=0,
        maximum=1,
        step=0.05,
        value=0.3,
        label=t("merge_multiplier"),
        elem_id="modelmerger_interp_amount",
        buttons=[],
        interactive=True,
    )
    controls["custom_name"] = _text("merge_name", "modelmerger_custom_name")
    with gr.Row(elem_classes="dk-pair"):
        controls["format"] = _form("merge_format", "modelmerger_checkpoint_format")
        controls["precision"] = _choice("merge_precision", "modelmerger_save_as_half", PRECISIONS[:-1], "own_precision")
    with gr.Row(elem_classes="dk-pair"):
        controls["bake_in_vae"] = lists["vaes:"] = _list("merge_vae", "modelmerger_bake_in_vae")
        controls["metadata_from"] = gr.Radio(
            choices=[*((letter, letter) for letter in METADATA_FROM[:-1]), (t("metadata_none"), NONE)],
            value="A",
            label=t("merge_metadata"),
            elem_id="modelmerger_config_method",
            interactive=True,
        )
    controls["discard_weights"] = _text("merge_discard", "modelmerger_discard_weights")
    controls["add_merge_recipe"] = _check("merge_recipe", "modelmerger_add_recipe", value=True)
    controls["overwrite"] = _check("works_overwrite", "modelmerger_overwrite")
    button = gr.Button(t("merge_button"), elem_id="modelmerger_merge", variant="primary", size="lg")
    return {"merge": _send("merge", button, controls)}


def _convert(lists: dict[str, Component]) -> dict[str, dict[str, str]]:
    controls: dict[str, Component] = {}
    controls["checkpoint"] = lists["models:convert"] = _list("works_checkpoint", "modelconvert_checkpoint")
    controls["form"] = _form("convert_form", "modelconvert_form")
    for role in ROLES:
        controls[f"precision.{role}"] = _choice(
            f"convert_{role}", f"modelconvert_precision_{role}", PRECISIONS, "own_precision"
        )
    controls["name"] = _text("works_name", "modelconvert_name")
    controls["overwrite"] = _check("works_overwrite", "modelconvert_overwrite")
    button = gr.Button(t("convert_button"), elem_id="modelconvert_convert", variant="primary", size="lg")
    return {"convert": _send("convert", button, controls)}


def _prune(lists: dict[str, Component]) -> dict[str, dict[str, str]]:
    controls: dict[str, Component] = {}
    says = said("prune_says", "p", class_="dk-second")
    none = said("prune_none", "p", id="modelprune_none", class_="dk-warned")
    area(says + none, "modelprune_description")
    controls["checkpoint"] = lists["prunable:prune"] = _list("works_checkpoint", "modelprune_checkpoint")
    controls["format"] = _choice("works_format", "modelprune_format", FORMATS)
    controls["name"] = _text("works_name", "modelprune_name")
    controls["keep_ema"] = _check("prune_ema", "modelprune_keep_ema")
    controls["overwrite"] = _check("works_overwrite", "modelprune_overwrite")
    button = gr.Button(t("prune_button"), elem_id="modelprune_prune", variant="primary", size="lg")
    return {"prune": _send("prune", button, controls)}


def _get(lists: dict[str, Component]) -> dict[str, dict[str, str]]:
    controls: dict[str, Component] = {}
    controls["address"] = _text("get_address", "modelget_address", placeholder="get_address_placeholder")
    with gr.Row(elem_classes="dk-pair"):
        controls["kind"] = gr.Dropdown(
            choices=[(t("get_any_kind"), ""), *((kind, kind) for kind in KINDS)],
            value="",
            label=t("get_kind"),
            elem_id="modelget_kind",
            interactive=True,
        )
        controls["name"] = _text("works_name", "modelget_name")
    with gr.Row(elem_classes="dk-pair"):
        controls["file"] = _text("get_file", "modelget_file")
        controls["revision"] = _text("get_revision", "modelget_revision")
    controls["overwrite"] = _check("works_overwrite", "modelget_overwrite")
    area(element("div", id="modelget_found", role="status", aria_live="polite"), "modelget_found_area")
    with gr.Row(elem_id="modelget_buttons"):
        look = gr.Button(t("get_look"), elem_id="modelget_look", size="lg")
        button = gr.Button(t("get_button"), elem_id="modelget_get", variant="primary", size="lg")
    _send("download", look, controls, "look")
    ids = {"download": _send("download", button, controls)}
    tokens: dict[str, Component] = {}
    with gr.Accordion(t("token_title"), open=False, elem_id="modelget_tokens"):
        area(said("token_says", "p", class_="dk-second"), "modelget_tokens_description")
        with gr.Row(elem_classes="dk-pair"):
            tokens["host"] = _text("token_host", "modelget_token_host", value="huggingface.co")
            tokens["token"] = _text("token_token", "modelget_token", secret=True)
        keep = gr.Button(t("token_keep"), elem_id="modelget_token_keep", size="md")
    clear = gr.Button(elem_id="modelget_token_clear", visible="hidden")
    clear.click(None, None, tokens["token"], js="() => ''")
    return {**ids, "token": _send("token", keep, tokens, "keepToken")}


def _list(key: str, elem_id: str, *, interactive: bool = True) -> gr.Dropdown:
    """A choice among what the scripts know to be there."""
    return gr.Dropdown(choices=[("", "")], value="", label=t(key), elem_id=elem_id, interactive=interactive)


def _choice(key: str, elem_id: str, names: Sequence[str], none: str = "") -> gr.Radio:
    """A choice among few; `none` is the key of the one that stands for nothing."""
    choices = [(t(none), ""), *((name, name) for name in names)] if none else [(name, name) for name in names]
    return gr.Radio(choices=choices, value=choices[0][1], label=t(key), elem_id=elem_id, interactive=True)


def _form(key: str, elem_id: str) -> gr.Radio:
    """A choice among the forms that a model can be written in."""
    choices = [*((name, name) for name in FORMATS), (t("works_folder"), DIFFUSERS)]
    return gr.Radio(choices=choices, value=FORMATS[0], label=t(key), elem_id=elem_id, interactive=True)


def _text(key: str, elem_id: str, *, value: str = "", placeholder: str = "", secret: bool = False) -> gr.Textbox:
    shown = t(placeholder) if placeholder else None
    kind = "password" if secret else "text"
    return gr.Textbox(value, label=t(key), elem_id=elem_id, placeholder=shown, type=kind, max_lines=1, interactive=True)


def _check(key: str, elem_id: str, *, value: bool = False) -> gr.Checkbox:
    return gr.Checkbox(value, label=t(key), elem_id=elem_id, interactive=True)
