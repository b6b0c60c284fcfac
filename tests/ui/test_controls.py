"""Field rows as Gradio components: A1111's label and id, the row's limits, and nothing written twice."""

from __future__ import annotations

import gradio as gr
import pytest

from webui.core.fields import ROWS, Field
from webui.core.registry import Registry
from webui.ui.controls import choices_of, control
from webui.ui.texts import EN

KINDS = {"text": gr.Textbox, "choice": gr.Dropdown, "bool": gr.Checkbox, "names": gr.Dropdown}


@pytest.mark.parametrize("row", [row for row in ROWS if row.elem_id], ids=lambda row: row.name)
def test_a_row_becomes_its_component(row: Field, registry: Registry) -> None:
    made = control(row, "txt2img", row.default, choices_of(row, registry))
    assert made.elem_id == f"txt2img_{row.elem_id}"
    assert EN[made.label.key] == row.label
    assert made.value == (list(row.default) if row.kind == "names" else row.default)
    assert made.interactive is True
    if row.kind in KINDS:
        assert isinstance(made, KINDS[row.kind])
    elif row.step is None:
        assert isinstance(made, gr.Number)
    else:
        assert isinstance(made, gr.Slider)
        assert (made.minimum, made.maximum) == (row.slider or (row.minimum, row.maximum))
        assert made.step == row.step


def test_choices_are_the_registrys_rows(registry: Registry) -> None:
    by_name = {row.name: row for row in ROWS}
    assert choices_of(by_name["sampler_name"], registry) == registry.samplers.names()
    assert choices_of(by_name["scheduler"], registry) == registry.schedules.names()
    assert choices_of(by_name["refiner_checkpoint"], registry) == ["None"]
