"""Small pieces of HTML for the page's own areas: escaped text and attributes, catalogue strings in place."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from webui.ui.texts import EN


def said(key: str, tag: str = "span", **attributes: Any) -> str:
    """An element with a catalogue string in it; the scripts put the reader's language in its place."""
    return element(tag, escape(EN[key]), data_t=key, **attributes)


def button(key: str, elem_id: str, title: str = "", **attributes: Any) -> str:
    """A plain button that says a catalogue string; `title` is the key of its tooltip."""
    if title:
        attributes |= {"title": EN[title], "data_t_title": title}
    return said(key, "button", type="button", id=elem_id, **attributes)


def sign(mark: str, elem_id: str, key: str, **attributes: Any) -> str:
    """A plain button with a sign on it; the catalogue's words are its name and its tooltip."""
    return element("button", escape(mark), type="button", id=elem_id, **named(key), **attributes)


def named(key: str) -> dict[str, str]:
    """The attributes of an element without words whose name and tooltip are a catalogue string."""
    return {"title": EN[key], "data_t_title": key, "aria_label": EN[key], "data_t_label": key}


def element(tag: str, inner: str = "", **attributes: Any) -> str:
    """An element around HTML that is already safe; `class_` and `data_x` become class and data-x."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for name, value in attributes.items()
    )
    return f"<{tag}{written}>{inner}</{tag}>"


def area(value: str, elem_id: str, **options: Any) -> gr.HTML:
    """An area of the page that our scripts fill; Gradio writes it once and leaves it alone."""
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, padding=False, container=False, **options)
