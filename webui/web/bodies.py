"""JSON bodies, read by ourselves: what Python lets through but JSON does not know is refused in a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from webui.core.errors import DarkroomError
from webui.web.problems import BadRequest, from_validation

ModelT = TypeVar("ModelT", bound=BaseModel)


class WrongType(DarkroomError):
    """The body is of another media type than JSON."""

    type = "media-type"
    title = "JSON is taken here"
    status = 415


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`. Raises BadRequest for anything else, NaN, endless numbers and half characters too."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_short,
            object_pairs_hook=_once,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The body is not text in UTF-8.") from None
    except UnicodeEncodeError:
        raise BadRequest("The body holds half of a surrogate pair, which is no character.") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.")
    return value


async def read_object(request: Request) -> dict[str, Any]:
    """The request's body as a JSON object; an empty body is an empty object."""
    kind = request.headers.get("content-type", "")
    data = await request.body()
    if data and kind and "json" not in kind.casefold():
        raise WrongType(f"The body is of type {kind.partition(';')[0][:60]}; send application/json.")
    return parse_object(data) if data else {}


def body_of(model: type[ModelT]) -> Callable[[Request], Awaitable[ModelT]]:
    """A dependency that reads the body as this model; unknown fields are refused with the nearest known name."""

    async def read(request: Request) -> ModelT:
        return check(model, await read_object(request))

    return read


def check(model: type[ModelT], values: dict[str, Any]) -> ModelT:
    """The model with these values; raises InvalidField with a sentence."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        names = [field.alias or name for name, field in model.model_fields.items()]
        raise from_validation(error, names) from None


def describe(model: type[BaseModel]) -> dict[str, Any]:
    """The body for the OpenAPI document, since the dependency hides it from FastAPI."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _no_constant(name: str) -> NoReturn:
    raise BadRequest(f"{name} is no number that JSON knows.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadRequest(f"The number {text[:20]} is too large.")
    return value


def _short(text: str) -> int:
    if len(text) > 20:
        raise BadRequest(f"The number {text[:20]}... is too large.")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequest("A name stands twice in one object of the body.")
    return found
