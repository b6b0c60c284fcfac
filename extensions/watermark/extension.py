"""A frame and a watermark: what a person sets, and that it is done to finished pictures."""

from __future__ import annotations

from webui.extend import Field, PostProcessing, hookimpl

CORNERS = ("bottom right", "bottom left", "top right", "top left")


@hookimpl
def fields() -> list[Field]:
    """Off until it is enabled."""
    return [
        Field("enabled", "bool", "Enable", "Draw what is said below onto each picture.", False),
        Field("text", "text", "Watermark", "A line of text in a corner; empty is none.", "", maximum=200),
        Field("corner", "choice", "Corner", "Where the text stands.", CORNERS[0], choices=CORNERS),
        Field("opacity", "float", "Opacity", "1 hides what is behind the text.", 0.6, minimum=0.05, maximum=1.0,
              step=0.05),
        Field("size", "float", "Text height", "Share of the picture's shorter side.", 0.05, minimum=0.01, maximum=0.5,
              step=0.01),
        Field("frame", "int", "Frame", "Width in pixels, outside of the picture; 0 is none.", 0, minimum=0, maximum=512,
              slider=(0, 64), step=1),
        Field("frame_colour", "choice", "Frame colour", "What the frame is painted in.", "white",
              choices=("white", "black", "gray")),
    ]  # fmt: skip


@hookimpl
def post_processing() -> list[PostProcessing]:
    """The function finished() of worker.py."""
    return [PostProcessing("watermark", "Frame and watermark", "worker:finished", when="enabled")]
