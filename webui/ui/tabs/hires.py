"""The box of Hires. fix on a tab: its switch, what the second pass is, and what it has of its own."""

from __future__ import annotations

from typing import Any

import gradio as gr

from webui.core.hires_fields import HIRES_SWITCH
from webui.ui.texts import t


def hires_box(task: str, put: Any) -> None:
    """Build it, closed; the page's scripts open it when the switch is on, and say the sizes in its head."""
    with gr.Accordion(HIRES_SWITCH.label, open=False, elem_id=f"{task}_hr"):
        with gr.Row(elem_classes="dk-pair"):
            put(HIRES_SWITCH.name, label=t("panel_on"))
            put("hr_upscaler")
        for names in (
            ("hr_scale", "denoising_strength"),
            ("hr_resize_x", "hr_resize_y"),
            ("hr_second_pass_steps", "hr_cfg"),
            ("hr_sampler_name", "hr_scheduler"),
            ("hr_checkpoint_name",),
        ):
            with gr.Row(elem_classes="dk-pair"):
                for name in names:
                    put(name)
        said = {"hr_prompt": t("hr_prompt_placeholder"), "hr_negative_prompt": t("hr_negative_prompt_placeholder")}
        for name, placeholder in said.items():
            put(name, lines=2, max_lines=8, placeholder=placeholder)
