"""What the tests of this extension are given."""

from webui.extend.testing import desk, studio

__all__ = ["desk", "studio"]
