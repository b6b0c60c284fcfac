"""What a tab's builder is given: the service, who is asking, and the controls that the page already has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components.base import Component

from webui.core.job import Identity

if TYPE_CHECKING:
    from webui.service import Service

Identify = Callable[[gr.Request], Identity]


@dataclass(slots=True)
class Page:
    """One page under construction. An extension's tab that has listeners in Python asks `identify` who is calling,
    and does everything through `service`, which checks the rights."""

    service: Service
    identify: Identify
    defaults: dict[str, Any]
    """Values of the fields for the checkpoint that is chosen when the server starts."""
    fields: dict[str, dict[str, Component]] = field(default_factory=dict)
    """Controls of request fields by name, for each task ('txt2img'); 'page' holds those in the head."""
    boot: dict[str, Any] = field(default_factory=dict)
    """What the page's scripts are told at their start; JSON-ready. Tabs may add to it."""

    def values_of(self, task: str) -> dict[str, Component]:
        """All controls whose values make a request of this task, by field name."""
        return {**self.fields.get("page", {}), **self.fields.get(task, {})}
