"""`studio` makes pictures with this extension."""

from webui.extend.testing import desk, studio

__all__ = ["desk", "studio"]
