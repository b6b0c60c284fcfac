"""Changing a model for a while: what extensions use inside patch_model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ABSENT = object()


@contextmanager
def replaced(owner: object, **attributes: Any) -> Iterator[None]:
    """Give an object (a network, one of its modules) other attributes, and put back what it had itself at the end.

    A method put over a class's own is a plain function here: it is called without `self`.
    """
    own = vars(owner)
    before = {name: own.get(name, _ABSENT) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            if value is not _ABSENT:
                setattr(owner, name, value)
            elif name in vars(owner):
                delattr(owner, name)
