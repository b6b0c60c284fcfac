"""How pictures are read that A1111, Forge and their kin have written, and our own."""

from __future__ import annotations

from webui.core.hook_rows import MetadataReader
from webui.plugins.hooks import hookimpl


@hookimpl
def metadata_readers() -> list[MetadataReader]:
    """The parameters text, wherever a format has its place for it."""
    return [MetadataReader("parameters", "Parameters text", "webui.images.metadata:parameters")]
