"""The txt2img tab: prompts and Generate on top, settings on the left, results on the right; A1111's ids."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from webui.core.fields import Field
from webui.core.groups import FLAT_ROWS, GROUPS
from webui.core.hires_fields import HIRES
from webui.ui.controls import choices_of, control
from webui.ui.extra_tabs import card_panels, tab_row
from webui.ui.html import area, button, element, said, sign
from webui.ui.page import Page
from webui.ui.panels import panels_place
from webui.ui.results import results
from webui.ui.tabs.hires import hires_box
from webui.ui.texts import t

TASK = "txt2img"
_IN_HEAD = {
    "checkpoint": "setting_sd_model_checkpoint",
    "vae": "setting_sd_vae",
    "text_encoders": "setting_sd_vae",
}


def build(page: Page) -> None:
    """Build the tab inside its Gradio context; its controls go into `page.fields`."""
    rows = {row.name: row for row in page.service.fields} | dict(FLAT_ROWS)
    defaults = {row.name: row.default for row in FLAT_ROWS.values()} | page.defaults
    controls = page.fields.setdefault(TASK, {})

    def put(name: str, **options: Any) -> None:
        row = rows[name]
        controls[name] = control(row, TASK, defaults[name], choices_of(row, page.service.registry), **options)

    with gr.Row(elem_id="txt2img_toprow"):
        with gr.Column(elem_id="txt2img_prompts"):
            for name, lines in (("prompt", 3), ("negative_prompt", 2)):
                _prompt(rows[name], lines, put)
            area(_seen(), f"{TASK}_seen_area")
        with gr.Column(elem_id="txt2img_actions"):
            generate, paste = _actions(put)
    with gr.Row(elem_id="txt2img_main"):
        with gr.Column(elem_id="txt2img_left"):
            area(tab_row(TASK), "txt2img_extra_tabs_area")
            area(card_panels(TASK), "txt2img_extra_panels")
            with gr.Column(elem_id="txt2img_settings"):
                _settings(put)
                panels_place(TASK)
        with gr.Column(elem_id="txt2img_results_column"):
            area(results(TASK), "txt2img_results_area")
    _connect(page, generate, paste)
    page.boot["fields"] = {row.name: _told(row) for row in rows.values()}
    page.boot["defaults"] = defaults
    page.boot["hires_fields"] = [row.name for row in GROUPS[HIRES].rows]


def _prompt(row: Field, lines: int, put: Any) -> None:
    counter = "token_counter" if row.name == "prompt" else "negative_token_counter"
    with gr.Column(elem_classes="dk-prompt"):
        placeholder = t(f"{row.elem_id}_placeholder")
        put(row.name, lines=lines, max_lines=lines + 9, placeholder=placeholder, elem_classes="prompt")
        recent = button("recent", f"{TASK}_prompt_history", "recent_title", class_="dk-recent")
        tokens = element("span", "", class_="dk-tokens", data_for=row.name)
        area(recent + tokens if row.name == "prompt" else tokens, f"txt2img_{counter}")


def _seen() -> str:
    """What the scripts tell of the prompts; parts that have nothing to say are not seen."""
    fold = element("summary", said("seen_runs", "b") + element("span")) + element("div")
    return element(
        "div",
        element("div", class_="dk-seen-lines")
        + element("div", element("ul", class_="dk-networks", data_t_label="seen_networks"), role="status")
        + element("div", element("ul", class_="dk-seen-notes", data_t_label="seen_notes"), role="status")
        + element("p", class_="dk-seen-problem", role="status")
        + element("details", fold, hidden=""),
        id=f"{TASK}_seen",
        class_="dk-seen",
    )


def _actions(put: Any) -> tuple[gr.Button, gr.Button]:
    """Generate and the verbs in one box of one height, the small tools and the styles under it.

    Returns Generate and Paste.

    The other buttons need no values, so the scripts listen to them by their ids.
    """
    with gr.Row(elem_id="txt2img_generate_box"):
        gr.Button(t("interrupt"), elem_id="txt2img_interrupt", size="lg")
        gr.Button(t("skip"), elem_id="txt2img_skip", size="lg")
        generate = gr.Button(t("generate"), elem_id="txt2img_generate", variant="primary", size="lg")
    with gr.Row(elem_id="txt2img_tools"):
        paste = gr.Button(t("paste"), elem_id="paste", size="sm")
        gr.Button(t("clear"), elem_id="txt2img_clear_prompt", size="sm")
        gr.Button(t("style_edit"), elem_id="txt2img_styles_edit_button", size="sm")
        gr.Button(t("forever"), elem_id="txt2img_generate_forever", size="sm")
    with gr.Row(elem_id="txt2img_styles_row"):
        put("styles")
        gr.Button(t("style_apply"), elem_id="txt2img_style_apply", size="sm")
    return generate, paste


def _settings(put: Any) -> None:
    """The common rows, in pairs."""
    with gr.Row(elem_classes="dk-pair"):
        put("sampler_name")
        put("scheduler")
    with gr.Row(elem_classes=["dk-pair", "dk-guidance"]):
        put("steps")
        put("distilled_cfg_scale")
        put("cfg_scale")
    with gr.Row(elem_classes=["dk-pair", "dk-size"]):
        put("width")
        area(sign("⇄", "txt2img_res_switch_btn", "swap"), "txt2img_res_switch")
        put("height")
    area(element("div", class_="dk-sizes", role="group", data_t_label="sizes"), "txt2img_sizes")
    with gr.Row(elem_classes="dk-pair"):
        put("n_iter")
        put("batch_size")
    with gr.Row(elem_id="txt2img_seed_row", elem_classes="dk-seed"):
        put("seed", min_width=100)
        gr.Button(t("seed_random"), elem_id="txt2img_random_seed", size="sm")
        gr.Button(t("seed_reuse"), elem_id="txt2img_reuse_seed", size="sm")
        box = element("input", type="checkbox", aria_controls="txt2img_seed_extras")
        area(element("label", box + said("extra"), class_="dk-check"), "txt2img_subseed_show")
    _extras(put)
    with gr.Row(elem_classes=["dk-pair", "dk-clip"]):
        put("clip_skip")
    hires_box(TASK, put)
    with gr.Accordion(t("refiner"), open=False, elem_id="txt2img_enable"), gr.Row(elem_classes="dk-pair"):
        put("refiner_checkpoint")
        put("refiner_switch_at")
    with gr.Accordion(t("dynamic"), open=False, elem_id="txt2img_dynamic"), gr.Row(elem_classes="dk-pair"):
        put("dynamic_prompts")
        put("combinatorial")


def _extras(put: Any) -> None:
    """What "Extra" opens: the variation seed, and the noise of another size; and what a read text says besides."""
    with gr.Column(elem_id="txt2img_seed_extras"):
        with gr.Row(elem_id="txt2img_subseed_row", elem_classes="dk-seed"):
            put("subseed", min_width=100)
            gr.Button(t("seed_random"), elem_id="txt2img_random_subseed", size="sm")
            gr.Button(t("seed_reuse"), elem_id="txt2img_reuse_subseed", size="sm")
        put("subseed_strength")
        with gr.Row(elem_classes="dk-pair"):
            put("seed_resize_from_w")
            put("seed_resize_from_h")
    area(element("div", class_="dk-overrides", role="group", data_t_label="overrides"), "txt2img_override_settings")


def _connect(page: Page, generate: gr.Button, paste: gr.Button) -> None:
    """Listeners that run in the browser alone: values leave as an object by field name, and come back the same way."""
    controls = page.values_of(TASK)
    names = json.dumps(list(controls))
    values = list(controls.values())

    def call(method: str) -> str:
        return f"(...values) => darkroom.{method}('{TASK}', darkroom.form.named({names}, values))"

    generate.click(None, values, None, js=call("make.generate"))
    paste.click(None, values, None, js=call("form.paste"))
    gr.on(
        [component.change for component in page.fields[TASK].values()],
        None,
        values,
        None,
        js=call("form.changed"),
        show_progress="hidden",
    )
    own = page.fields[TASK]
    apply = gr.Button(elem_id=f"{TASK}_apply", visible="hidden")
    apply.click(None, None, list(own.values()), js=f"() => darkroom.form.take('{TASK}', {json.dumps(list(own))})")


def _told(row: Field) -> dict[str, Any]:
    """What the scripts need to know of a field: where it stands, what it is called, its limits."""
    elem_id = _IN_HEAD.get(row.name) or (row.elem_id and f"{TASK}_{row.elem_id}")
    limits = {"minimum": row.minimum, "maximum": row.maximum, "multiple": row.multiple}
    return {"id": elem_id, "kind": row.kind, **limits}
