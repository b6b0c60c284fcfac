"""The page as Gradio's configuration: A1111's ids and order, no handler in Python, nothing told to guests."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal, get_origin

import gradio as gr
import pytest

from webui.app import House
from webui.core.fields import ROWS
from webui.core.job import LOCAL_OWNER
from webui.core.registry import Tab, Table
from webui.core.settings import Settings
from webui.ui.blocks import build_blocks, mount_options
from webui.ui.page import Page
from webui.web.access import identity_of

A1111_IDS = (
    "tab_modelmerger",
    "modelmerger_primary_model_name",
    "modelmerger_secondary_model_name",
    "modelmerger_tertiary_model_name",
    "modelmerger_custom_name",
    "modelmerger_interp_amount",
    "modelmerger_interp_method",
    "modelmerger_checkpoint_format",
    "modelmerger_save_as_half",
    "modelmerger_config_method",
    "modelmerger_bake_in_vae",
    "modelmerger_discard_weights",
    "modelmerger_merge",
    "quicksettings",
    "setting_sd_model_checkpoint",
    "tabs",
    "tab_txt2img",
    "txt2img_generate_box",
    "txt2img_generate",
    "txt2img_interrupt",
    "txt2img_skip",
    "txt2img_prompt",
    "txt2img_neg_prompt",
    "paste",
    "txt2img_clear_prompt",
    "txt2img_sampling",
    "txt2img_scheduler",
    "txt2img_steps",
    "txt2img_cfg_scale",
    "txt2img_width",
    "txt2img_height",
    "txt2img_batch_count",
    "txt2img_batch_size",
    "txt2img_seed",
    "txt2img_random_seed",
    "txt2img_reuse_seed",
    "txt2img_subseed_show",
    "txt2img_subseed",
    "txt2img_random_subseed",
    "txt2img_reuse_subseed",
    "txt2img_subseed_strength",
    "txt2img_seed_resize_from_w",
    "txt2img_seed_resize_from_h",
    "tab_pnginfo",
    "tab_models",
    "tab_gallery",
    "tab_queue",
    "tab_settings",
)
IN_HTML = (
    "txt2img_gallery",
    "txt2img_livepreview",
    "txt2img_empty",
    "txt2img_res_switch_btn",
    "html_info_txt2img",
    "image_buttons_txt2img",
    "txt2img_results",
    "gallery_search",
    "gallery_grid",
    "queue_list",
    "settings_nav",
)


@pytest.fixture
def config(house: House) -> dict[str, Any]:
    return build_blocks(house.service, identity_of).get_config_file()


def ids(config: dict[str, Any]) -> list[str]:
    return [component["props"].get("elem_id") for component in config["components"]]


def test_ids_are_a1111s(config: dict[str, Any]) -> None:
    known = ids(config)
    assert [wanted for wanted in A1111_IDS if known.count(wanted) != 1] == []
    html = json.dumps(config, default=str)
    assert [wanted for wanted in IN_HTML if f'id=\\"{wanted}\\"' not in html] == []


def test_tabs_stand_in_a1111s_order(config: dict[str, Any]) -> None:
    found = [c["props"] for c in config["components"] if c["type"] == "tabitem"]
    tabs = [props["label"] for props in found if not props["elem_id"].startswith("tab_modelworks_")]
    assert tabs == ["txt2img", "PNG Info", "Models", "Merge & convert", "Gallery", "Queue", "Extensions", "Settings"]


def test_the_page_has_no_handler_in_python(house: House) -> None:
    blocks = build_blocks(house.service, identity_of)
    assert [fn.name for fn in blocks.fns.values() if fn.fn is not None] == []


def test_every_field_that_has_a_place_is_on_the_page_with_the_models_default(
    house: House, config: dict[str, Any]
) -> None:
    values = {c["props"].get("elem_id"): c["props"].get("value") for c in config["components"]}
    defaults = house.service.defaults()
    for row in ROWS:
        if row.elem_id:
            default = defaults[row.name]
            assert values[f"txt2img_{row.elem_id}"] == (list(default) if row.kind == "names" else default)
    assert defaults["width"] == 64, "the sham checkpoint's own size"


def test_the_owners_tab_is_hidden_and_tells_defaults_only(house: House) -> None:
    house.service.update_settings({"max_waiting_visitor": 77}, LOCAL_OWNER)
    config = build_blocks(house.service, identity_of).get_config_file()
    tab = next(c for c in config["components"] if c["props"].get("elem_id") == "tab_settings")
    assert tab["props"]["visible"] is False
    field = next(c for c in config["components"] if c["props"].get("elem_id") == "setting_max_waiting_visitor")
    assert field["props"]["value"] == Settings.model_fields["max_waiting_visitor"].default


def test_every_setting_has_its_row(config: dict[str, Any]) -> None:
    known = set(ids(config))
    # Text encoders are set by the picker that bears A1111's id of the VAE, fields of extensions by our own controls.
    elsewhere = ("sd_text_encoders", "extensions")
    assert {f"setting_{name}" for name in Settings.model_fields if name not in elsewhere} <= known


def test_choices_are_shown_by_labels(config: dict[str, Any]) -> None:
    shown = {c["props"].get("elem_id"): c["props"] for c in config["components"]}
    assert shown["setting_theme"]["choices"] == [("System", "system"), ("Light", "light"), ("Dark", "dark")]
    assert ("Scaled dot product (torch)", "sdpa") in shown["setting_attention"]["choices"]
    for name, info in Settings.model_fields.items():
        if get_origin(info.annotation) is Literal:
            # A1111's own words, as TAESD, are labels already.
            choices = shown[f"setting_{name}"]["choices"]
            assert all(label and (label != value or value[0].isupper()) for label, value in choices)


def build_greeting(page: Page) -> None:
    """An extension's tab."""
    gr.Markdown(f"{len(page.service.fields)} fields", elem_id="greeting")


def build_broken(page: Page) -> None:
    """An extension's tab that cannot be built."""
    raise RuntimeError("<b>no</b>")


def test_an_extensions_tab_stands_and_a_broken_one_falls_alone(house: House) -> None:
    rows = [
        *house.service.registry.tabs,
        Tab("Greeting", f"{__name__}:build_greeting", "tab_greeting", 75),
        Tab("Broken", f"{__name__}:build_broken", "tab_broken", 76),
    ]
    house.service.registry = replace(house.service.registry, tabs=Table("tab", rows))
    config = build_blocks(house.service, identity_of).get_config_file()
    assert "greeting" in ids(config)
    assert "tab_broken_problem" in ids(config)
    assert "<b>no" not in json.dumps(config, default=str)
    assert "txt2img_generate" in ids(config)


def test_gradio_is_told_to_keep_quiet() -> None:
    options = mount_options()
    assert options["footer_links"] == [] and options["show_error"] is False and options["run_history"] is False
