"""/openapi.json: the document of the program's own routes, with what the extensions that are on have brought."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from webui.core.panels import EXTENSIONS
from webui.core.registry import Registry
from webui.web.api import PREFIX
from webui.web.field_schemas import panels_schema

if TYPE_CHECKING:
    from webui.service import Service

_TAKE_FIELDS = (f"{PREFIX}/jobs", f"{PREFIX}/scripts/{{name}}")
"""Posts whose bodies are requests."""
_TO_FIELDS = ("requestBody", "content", "application/json", "schema", "properties", EXTENSIONS)
_ADDRESS = f"{PREFIX}/x/{{extension}}/{{name}}"

Document = dict[str, Any]


class Documents:
    """In the place of `FastAPI.openapi`. Made anew when extensions have been switched; nobody changes what it gives."""

    def __init__(self, service: Service, own: Callable[[], Document]) -> None:
        """own: the document without extensions."""
        self._service, self._own = service, own
        self._made: tuple[Registry, Document] | None = None

    def __call__(self) -> Document:
        registry = self._service.registry
        if self._made is None or self._made[0] is not registry:
            self._made = (registry, _with_extensions(self._own(), registry))
        return self._made[1]


def _with_extensions(own: Document, registry: Registry) -> Document:
    paths = dict(own["paths"])
    for path in _TAKE_FIELDS:
        paths[path] = _replaced(paths[path], panels_schema(registry.panels), "post", *_TO_FIELDS)
    for row in registry.routes:
        verb, name = row.method.lower(), row.name.rpartition("/")[2]
        operation = {key: value for key, value in paths[_ADDRESS][verb].items() if key != "parameters"}
        operation |= {
            "summary": f"{name} of {row.extension}",
            "description": f"Answered by the extension '{row.extension}'. The least trust it needs: {row.level}.",
            "operationId": f"{verb}_{row.extension}_{name}".replace("-", "_"),
        }
        address = _ADDRESS.format(extension=row.extension, name=name)
        paths[address] = {**paths.get(address, {}), verb: operation}
    return {**own, "paths": paths}


def _replaced(where: Document, value: Any, *keys: str) -> Document:
    """A copy in which the value at the end of these keys is another."""
    first, *others = keys
    return {**where, first: _replaced(where[first], value, *others) if others else value}
