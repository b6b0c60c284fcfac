"""Which route a request reaches, found before it gets there, over the whole application with what is mounted in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount, compile_path


@dataclass(frozen=True, slots=True)
class Registered:
    """One route and method: `name` is its key in the rights table."""

    name: str
    method: str
    path: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Found:
    """The route of a request. `route` is None when there is none; `allowed` are then the methods the path has."""

    route: Registered | None
    parameters: Mapping[str, str]
    allowed: tuple[str, ...] = ()


def registered(routes: list[BaseRoute]) -> list[Registered]:
    """Every route in the order in which it is tried. A route that hides behind an earlier one is named '(page)'."""
    found: list[Registered] = []
    seen: set[str] = set()
    for method, path in _walk(routes, ""):
        name = f"{method} {path}"
        if name in seen:
            name += " (page)"
        seen.add(name)
        found.append(Registered(name, method, path, compile_path(path)[0]))
    return found


def find(routes: list[Registered], method: str, path: str) -> Found:
    """The first route that takes this method at this path."""
    allowed: list[str] = []
    for route in routes:
        match = route.pattern.match(path)
        if match is None:
            continue
        if route.method == method:
            return Found(route, match.groupdict())
        allowed.append(route.method)
    return Found(None, {}, tuple(dict.fromkeys(allowed)))


def _walk(routes: list[BaseRoute], prefix: str) -> Iterator[tuple[str, str]]:
    for context in iter_route_contexts(routes):
        original: Any = context.original_route
        path = prefix + (context.path or "")
        if isinstance(original, Mount):
            yield from _walk(list(original.routes), path)
            continue
        # A route without methods (a WebSocket, a host) is listed too, so that the table has to say no to it.
        for method in sorted(context.methods or {type(original).__name__}):
            yield method, path
