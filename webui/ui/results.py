"""The results area as HTML: picture, preview and empty panel in one cell, progress, and what stands beside."""

from __future__ import annotations

from webui.ui.html import button, element, said


def results(task: str) -> str:
    """The area's HTML; `data-state` on its root switches what is shown, and nothing changes its place."""
    stage = element(
        "div",
        element("div", id=f"{task}_gallery", class_="dk-grid", role="list", data_t_label="results")
        + element("img", id=f"{task}_livepreview", alt="", hidden="")
        + element("div", _empty(), id=f"{task}_empty"),
        class_="dk-stage",
    )
    bar = element("div", element("i"), class_="dk-bar", role="progressbar", data_t_label="results", aria_valuemin="0")
    side = element("div", _running(task) + _info(task) + _error(), class_="dk-side")
    news = element("p", class_="dk-sr", role="status", aria_live="polite", id=f"{task}_news")
    return element("section", stage + bar + side + news, id=f"{task}_results", class_="dk-results", data_state="empty")


def _empty() -> str:
    return (
        said("empty_title", "h2")
        + said("empty_text", "p", class_="dk-empty-text")
        + element("div", class_="dk-examples", role="group", data_t_label="examples")
        + element("div", class_="dk-about")
    )


def _running(task: str) -> str:
    return element(
        "div",
        element("p", class_="dk-step")
        + element("p", class_="dk-left")
        + element("p", class_="dk-paused")
        + button("resume", f"{task}_resume", class_="dk-link", hidden="")
        + element("p", class_="dk-which")
        + element("div", class_="dk-sofar"),
        class_="dk-running",
    )


def _info(task: str) -> str:
    buttons = (
        element("a", "", class_="dk-act", data_t="download", id=f"{task}_download", download="")
        + button("again", f"{task}_again", "again_title", class_="dk-act")
        + button("copy", f"{task}_copy", class_="dk-act")
        + button("use", f"{task}_use", class_="dk-act")
    )
    return element(
        "div",
        element("p", class_="dk-caption")
        + element("div", id=f"html_info_{task}")
        + element("div", buttons, id=f"image_buttons_{task}", class_="dk-acts"),
        class_="dk-done",
    )


def _error() -> str:
    return element("div", class_="dk-error", role="alert")
