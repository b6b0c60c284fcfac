"""Fields of extensions on the page: told to the scripts, and no component of Gradio's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from webui.app import House
from webui.core.field import Field
from webui.core.panel_rows import make_panel
from webui.core.panels import Panels
from webui.ui.blocks import build_blocks
from webui.ui.extension_assets import extension_data
from webui.ui.panels import told
from webui.web.access import identity_of

ROWS = [
    Field("enabled", "bool", "Enable", "Use it.", False),
    Field("mode", "choice", "Mode", "Which </script> way.", "a", choices=("a", "b")),
    *(Field(f"f{n}", "float", "Size", "How large.", 0.5, minimum=0.0, maximum=1.0, step=0.1) for n in range(8)),
]


def config_with(house: House, panels: Panels) -> dict[str, Any]:
    house.service.registry = replace(house.service.registry, panels=panels)
    return build_blocks(house.service, identity_of).get_config_file()


def test_twenty_extensions_with_ten_fields_cost_no_component(house: House) -> None:
    panels = {f"ext-{n}": make_panel(f"ext-{n}", f"Extension {n}", ROWS) for n in range(20)}
    plain, full = config_with(house, {}), config_with(house, panels)
    assert len(full["components"]) == len(plain["components"])
    assert [len(one["inputs"]) for one in full["dependencies"]] == [len(one["inputs"]) for one in plain["dependencies"]]
    assert "extensions.ext-0" not in json.dumps(full, default=str)
    # What is told for a field is small: a thousand fields would not be felt.
    assert len(extension_data((), panels, ()).data) < 200 * 600


def test_the_scripts_are_told_where_each_field_stands_and_what_it_takes() -> None:
    (panel,) = told({"my-ext": make_panel("my-ext", "Mine", ROWS, "What it does.")}, "txt2img")
    assert (panel["title"], panel["help"], panel["enabled"]) == ("Mine", "What it does.", "extensions.my-ext.enabled")
    mode = panel["rows"][1]
    assert (mode["name"], mode["id"]) == ("extensions.my-ext.mode", "txt2img_my-ext_mode")
    assert mode["choices"] == ["a", "b"]
