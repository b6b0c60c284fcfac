"""The Models tab: a tree of folders and cards of models, found by words, in a chosen order; the scripts fill it."""

from __future__ import annotations

from webui.engine.cards.shelf import KINDS
from webui.ui.card_lists import PARTS, card_list
from webui.ui.html import area
from webui.ui.page import Page


def build(page: Page) -> None:
    """Build the tab inside its Gradio context."""
    ids = {part: f"models_{part}" for part in (*PARTS, "kind")}
    area(card_list(ids, KINDS), "models_area")
