"""Changing a model for a while: what extensions use inside patch_model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from webui.core.errors import DarkroomError, nearest

_PLACES = ("_parameters", "_buffers", "_modules")
"""Where a torch module keeps weights, buffers and submodules, which are not among its vars."""
_ABSENT = object()


@contextmanager
def replaced(owner: object, **attributes: Any) -> Iterator[None]:
    """Give an object (a network, one of its modules) other attributes, and put back what it had itself at the end.

    Weights, buffers and submodules of a torch module too; a weight's place takes a Parameter only. A method put over a
    class's own is a plain function here: it is called without `self`. Raises DarkroomError for a name that the object
    does not have.
    """
    for name in attributes:
        if not hasattr(owner, name):
            near = nearest(name, dir(owner))
            hint = f" Did you mean '{near}'?" if near else ""
            raise DarkroomError(f"{type(owner).__name__} has no '{name}' that could be replaced.{hint}")
    places = _places(owner)
    before = {name: [place.get(name, _ABSENT) for place in places] for name in attributes}
    described = {
        name: getattr(owner, name) for name in attributes if hasattr(getattr(type(owner), name, None), "__set__")
    }
    try:
        for name, value in attributes.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, values in before.items():
            if name in described:
                setattr(owner, name, described[name])
            for place, value in zip(places, values, strict=True):
                if value is not _ABSENT:
                    place[name] = value
                else:
                    place.pop(name, None)


def _places(owner: object) -> list[dict[str, Any]]:
    """The dicts in which an object keeps attributes of its own."""
    own: dict[str, Any] = getattr(owner, "__dict__", {})
    return [own, *(own[place] for place in _PLACES if isinstance(own.get(place), dict))]
