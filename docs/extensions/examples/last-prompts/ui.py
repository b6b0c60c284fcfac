"""The tab's place on the page; web/prompts.js fills it."""

import gradio as gr


def build(page: object) -> None:
    """Called inside the tab's Gradio context."""
    gr.HTML('<div id="last_prompts" class="dk-list"></div>', padding=False)
