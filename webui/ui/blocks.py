"""The whole page: head, tabs in A1111's order, and the one listener that starts our scripts."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import gradio as gr

from webui.core.registry import Tab
from webui.plugins.resolve import resolve
from webui.ui.head import build_head
from webui.ui.html import area, element
from webui.ui.page import Identify, Page
from webui.ui.texts import catalogue
from webui.ui.theme import build_theme

if TYPE_CHECKING:
    from webui.service import Service

log = logging.getLogger(__name__)

TITLE = "Darkroom"


def build_blocks(service: Service, identify: Identify) -> gr.Blocks:
    """The page as Gradio Blocks.

    Its own tabs hold no listener in Python: the scripts read the controls and speak to the native API, so nothing
    here can be called around the rights table. Tabs for the owner are hidden until the server has said who asks.
    """
    page = Page(service=service, identify=identify, defaults=service.defaults())
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        build_head(page)
        with gr.Tabs(elem_id="tabs"):
            tabs = _tabs(page)
        show = gr.Button(elem_id="dk_show_tabs", visible="hidden")
        show.click(
            None, None, [tab for _, tab in tabs], js=f"() => darkroom.shell.tabs({_js([id_ for id_, _ in tabs])})"
        )
        blocks.load(None, None, None, js=f"() => darkroom.start({_js(page.boot)})")
    return blocks


def mount_options(texts: Mapping[str, Mapping[str, str]] = MappingProxyType({})) -> dict[str, Any]:
    """The page's options for `gr.mount_gradio_app`. texts: the page's in further languages, by language and key."""
    return {
        "theme": build_theme(),
        "i18n": catalogue(texts),
        "footer_links": [],
        "run_history": False,
        "show_error": False,
        "enable_monitoring": False,
        "pwa": False,
        "ssr_mode": False,
    }


def _tabs(page: Page) -> list[tuple[str, gr.Tab]]:
    """All tabs of the registry, each built by its row's function; returns those that are the owner's alone."""
    owners: list[tuple[str, gr.Tab]] = []
    for row in sorted(page.service.registry.tabs, key=lambda row: row.order):
        with gr.Tab(row.name, elem_id=row.elem_id, id=row.elem_id, visible=not row.owner_only) as tab:
            _build(row, page)
        tab.select(None, None, None, js=f"() => darkroom.shell.opened({_js(row.elem_id)})")
        if row.owner_only:
            owners.append((row.elem_id, tab))
    return owners


def _build(row: Tab, page: Page) -> None:
    """Build one tab; one that fails says so in its place, and the others stand."""
    try:
        resolve(row.build)(page)
    # An extension's tab may raise anything; the traceback is in the log.
    except Exception as error:
        log.exception("The tab '%s' (%s) could not be built.", row.name, row.build)
        said = element("p", escape(f"The tab '{row.name}' could not be built: {error}"), class_="dk-nothing")
        area(said, f"{row.elem_id}_problem")


def _js(value: Any) -> str:
    """A value as a JavaScript literal."""
    return json.dumps(value, ensure_ascii=True)
