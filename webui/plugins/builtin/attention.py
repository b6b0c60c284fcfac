"""The built-in attention backends, one row each; their functions run in the worker only."""

from __future__ import annotations

from webui.core.registry import AttentionBackend
from webui.plugins.hooks import hookimpl


@hookimpl
def attention_backends() -> list[AttentionBackend]:
    """The ways to compute attention, the default first."""
    return [
        AttentionBackend(
            "sdpa",
            "Scaled dot product (torch)",
            "webui.engine.attention:sdpa",
            aliases=("sdp", "opt-sdp-attention"),
        ),
        AttentionBackend(
            "math",
            "Plain matrix products",
            "webui.engine.attention:math_products",
        ),
    ]
