"""How pictures are read: our own, those of A1111, Forge and their kin, and those of programs with another form."""

from __future__ import annotations

from webui.core.hook_rows import MetadataReader
from webui.plugins.hooks import hookimpl

_HERE = "webui.images.readers."


@hookimpl
def metadata_readers() -> list[MetadataReader]:
    """Those whose objects stand in the place of the parameters text are asked before it is read as a text."""
    return [
        MetadataReader("fooocus", "Fooocus", _HERE + "fooocus:read"),
        MetadataReader("swarmui", "SwarmUI", _HERE + "swarmui:read"),
        MetadataReader("civitai", "CivitAI", _HERE + "civitai:read"),
        MetadataReader("parameters", "Parameters text", "webui.images.metadata:parameters"),
        MetadataReader("invokeai", "InvokeAI", _HERE + "invokeai:read"),
        MetadataReader("comfyui", "ComfyUI", _HERE + "comfyui:read"),
        MetadataReader("draw-things", "Draw Things", _HERE + "draw_things:read"),
        MetadataReader("novelai", "NovelAI", _HERE + "novelai:read"),
        # Last of them, as it must decode the pixels.
        MetadataReader("stealth", "Words in the pixels", _HERE + "stealth:read"),
    ]
