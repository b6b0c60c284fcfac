"""The namings of language models that are parts of larger ones, or have a head that chooses words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.engine.layouts.base import Source


def transformers(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in the naming of a model with a head that chooses words."""
    return Source(f"model.{name}")


def with_eyes(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in a model that sees."""
    return Source(f"model.language_model.{name}")


def with_eyes_old(name: str, config: Mapping[str, Any]) -> Source:
    """Where it lies in a model that sees, in transformers' naming before version 4.52."""
    return Source(f"language_model.model.{name}")
