"""The bodies and answers of works on models; a work's body is made from its request's own fields."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, create_model
from pydantic import Field as Describe

from webui.core.model_work import ModelWork
from webui.web.schemas import Strict

# Filled when a request is accepted.
_OURS = ("target",)


def work_model(name: str, kind: type[ModelWork]) -> type[BaseModel]:
    """The body that has a work done: every field may be left out and then takes its default."""
    made: dict[str, Any] = {}
    for one in fields(kind):
        if one.name not in _OURS:
            made[one.name] = (_described(one), None)
    model: type[BaseModel] = create_model(f"{name.title()}Request", __config__=ConfigDict(extra="forbid"), **made)
    return model


def _described(one: Field[Any]) -> Any:
    """The type of a field, with its limits."""
    limits, default = one.metadata, one.default
    described: dict[str, Any] = {"description": limits["help"]}
    if "keys" in limits:
        names, values = ({"enum": list(limits[name])} for name in ("keys", "choices"))
        extra: dict[str, Any] = {"propertyNames": names, "additionalProperties": values}
        return Annotated[dict[str, str] | None, Describe(**described, json_schema_extra=extra)]
    extra = {"default": default}
    if isinstance(default, bool):
        return Annotated[bool | None, Describe(**described, json_schema_extra=extra)]
    if isinstance(default, float):
        described |= {"ge": limits["minimum"], "le": limits["maximum"]}
        return Annotated[float | None, Describe(**described, json_schema_extra=extra)]
    if "choices" in limits:
        extra["enum"] = list(limits["choices"])
    else:
        described["max_length"] = limits["most"]
    return Annotated[str | None, Describe(**described, json_schema_extra=extra)]


class TokenRequest(Strict):
    """The body of PUT /models/tokens. An empty token has it forgotten."""

    host: Annotated[str, Describe(max_length=300, description="As in huggingface.co")]
    token: Annotated[str, Describe(max_length=2000)]


class LookOut(BaseModel):
    """What a download would fetch. `size_bytes` is null where the server does not tell; `licence` "" likewise.

    files: how many. sha256: "" where it is not told. target: where it goes; `is_there`: something is there already.
    """

    name: str
    kind: str
    size_bytes: int | None
    files: int
    sha256: str
    licence: str
    page: str
    trained_words: list[str]
    target: str
    is_there: bool
