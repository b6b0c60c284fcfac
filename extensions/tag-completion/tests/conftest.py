"""`desk` is the page's side with this extension."""

from webui.extend.testing import desk

__all__ = ["desk"]
