"""A bare Gradio page with given components, to hold ours against: `python -m tools.bench.bare_page PORT FILE`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI

BUTTON = "bare_generate"
"""Element id of the last button; a page is usable when it can be pressed."""


def build(counts: Counter[str]) -> gr.Blocks:
    """A page with so many components of each type, by Gradio's names for them."""
    kinds: dict[str, Any] = {
        name.lower(): kind for name, kind in vars(gr).items() if isinstance(kind, type) and name[0].isupper()
    }
    with gr.Blocks() as blocks:
        for name, count in sorted(counts.items()):
            for number in range(count):
                kinds[name](label=f"{name} {number}") if name not in _UNLABELLED else kinds[name]()
        gr.Button("Generate", elem_id=BUTTON)
    return blocks


_UNLABELLED = ("html", "markdown", "button", "state", "timer", "browserstate")


def known(name: str) -> bool:
    """Whether a type of our page's configuration is a component that a bare page can hold."""
    kind = next((kind for key, kind in vars(gr).items() if key.lower() == name and isinstance(kind, type)), None)
    return kind is not None and issubclass(kind, gr.components.Component)


def main() -> None:
    """Serve until stopped."""
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    blocks = build(Counter(json.loads(file.read_text(encoding="utf-8"))))
    app = gr.mount_gradio_app(FastAPI(), blocks, path="/")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
