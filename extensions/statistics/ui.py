"""The tab's place on the page."""

from __future__ import annotations

import gradio as gr


def build(page: object) -> None:
    """Build the tab inside its Gradio context: one place, which the script fills."""
    gr.HTML('<div id="statistics" class="dk-list"></div>', padding=False)
