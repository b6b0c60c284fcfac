"""The built-in model families and attention backends, one row each; their functions run in the worker only."""

from __future__ import annotations

from webui.core.registry import AttentionBackend, Family
from webui.plugins.hooks import hookimpl


@hookimpl
def families() -> list[Family]:
    """The families that can be loaded."""
    return [
        Family(
            "sd1",
            "Stable Diffusion 1",
            "webui.engine.families.sd1:load",
            identify="webui.engine.checkpoints.sd1:identify",
            count_tokens="webui.engine.checkpoints.tokens:count_tokens",
            native_size=512,
            sizes=((512, 512), (512, 768), (768, 512), (640, 512), (512, 640)),
            steps=20,
            cfg_scale=7.0,
        )
    ]


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
