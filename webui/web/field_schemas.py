"""The body of a request and the answers about its fields, made from the rows of core/fields.py and of extensions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, create_model
from pydantic import Field as Describe

from webui.core.drawn import DRAWN, HIRES_DRAWN
from webui.core.field import MAX_NAMES
from webui.core.fields import Field
from webui.core.groups import GROUPS, Group
from webui.core.hires_fields import HASH
from webui.core.panels import EXTENSIONS, NO_PANELS, Panel, Panels
from webui.core.request import EMBEDDING_HASHES, LORA_HASHES

_TYPES: dict[str, Any] = {
    "text": str,
    "choice": str,
    "int": int,
    "float": float,
    "bool": bool,
    "names": Annotated[list[str], Describe(max_length=MAX_NAMES)],
}
_JSON_TYPES = {"text": "string", "choice": "string", "int": "integer", "float": "number", "bool": "boolean"}

_RESOLVED = {
    "checkpoint_hash": "SHA-256 of the checkpoint, when it has no title.",
    "vae_hash": "SHA-256 of the VAE's file, where it is not inside the checkpoint; another file is refused.",
    "text_encoders_hash": "SHA-256 of the text encoders' files, where they are not inside; others are refused.",
    "refiner_hash": "SHA-256 of the refiner; another file is refused.",
    "refiner_text_encoders_hash": "SHA-256 of the refiner's text encoders' files, where they are not inside.",
    "abilities": "What the checkpoint understands; found anew when a request is accepted.",
}
"""What a stored request says besides its fields (core/request.py)."""
_RESOLVED_IN_GROUPS = {HASH: "SHA-256 of the second pass's checkpoint; another file is refused."}
_DRAWN = "The texts of a stored request's pictures: they count as long as what they were made from is the same."
_HASHES = {
    LORA_HASHES: "SHA-256 of the tensors of each LoRA that the prompts name, by that name; other files are refused.",
    EMBEDDING_HASHES: "SHA-256 of the file of each embedding in the prompts, by its name; other files are refused.",
}


def request_model(rows: Iterable[Field]) -> type[BaseModel]:
    """The body of POST /jobs: every field may be left out and then takes the checkpoint's default.

    What extensions may be asked is written into it by web/openapi.py.
    """
    fields: dict[str, Any] = {}
    for row in rows:
        limits: dict[str, Any] = {"description": row.help, "title": row.label}
        if row.kind in ("int", "float"):
            limits |= {"ge": row.minimum, "le": row.maximum, "multiple_of": row.multiple}
        elif row.maximum is not None and row.kind != "names":
            limits["max_length"] = int(row.maximum)
        limits["json_schema_extra"] = {"default": row.default}
        fields[row.name] = (Annotated[_TYPES[row.kind] | None, Describe(**limits)], None)
    for name, group in GROUPS.items():
        flat = {row.name: row for row in (group.switch, *group.rows)}
        for row in flat.values():
            # Whoever has it off may send anything; what counts is checked when the request is accepted.
            said = f"{row.help} Of {name}, where {group.switch.name} is true."
            shown = {**_row_schema(row), "description": said if row is not group.switch else row.help}
            fields[row.name] = (Annotated[Any, Describe(json_schema_extra=shown)], None)
        fields[name] = (Annotated[Any, Describe(json_schema_extra=_group_schema(group))], None)
    fields[EXTENSIONS] = (Annotated[Any, Describe(json_schema_extra=panels_schema(NO_PANELS))], None)
    # A stored request can be sent back as it is.
    fields["schema_"] = (
        Annotated[int | None, Describe(alias="schema", description="Version of the request's form.")],
        None,
    )
    for name in (DRAWN, HIRES_DRAWN):
        fields[name] = (Annotated[dict[str, Any] | None, Describe(description=_DRAWN)], None)
    for name, said in _HASHES.items():
        fields[name] = (Annotated[dict[str, str] | None, Describe(description=said)], None)
    for name, said in _RESOLVED.items():
        fields[name] = (Annotated[str | None, Describe(max_length=100, description=said)], None)
    model: type[BaseModel] = create_model("JobRequest", __config__=ConfigDict(extra="forbid"), **fields)
    return model


def _group_schema(group: Group) -> dict[str, Any]:
    """JSON Schema of a group: its fields, and what acceptance adds, as a stored request has them; null for off."""
    resolved = {name: {"type": "string", "description": _RESOLVED_IN_GROUPS[name]} for name in group.resolved}
    return {
        "title": group.switch.label,
        "description": f"{group.switch.help} An object of its fields is on, null is off.",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {row.name: _row_schema(row) for row in group.rows} | resolved,
    }


def panels_schema(panels: Panels) -> dict[str, Any]:
    """JSON Schema of what a request may ask of extensions: by name an object of their fields, null for off."""
    return {
        "title": "Extensions",
        "description": "What extensions are asked, by their names. One that is left out does what the settings say; "
        "null is off, and so is one that is left out where schema is given.",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {name: _panel_schema(panel) for name, panel in panels.items()},
    }


def _panel_schema(panel: Panel) -> dict[str, Any]:
    properties = {name: _row_schema(row) for name, row in panel.rows.items()}
    return {
        "title": panel.title,
        "description": panel.help,
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
    }


def _row_schema(row: Field) -> dict[str, Any]:
    limits: dict[str, Any] = {"minimum": row.minimum, "maximum": row.maximum, "multipleOf": row.multiple}
    if row.kind not in ("int", "float"):
        limits = {"maxLength": None if row.maximum is None else int(row.maximum), "enum": list(row.choices) or None}
    said = {"title": row.label, "description": row.help, "type": _JSON_TYPES[row.kind], "default": row.default}
    return said | {name: value for name, value in limits.items() if value is not None}


class FieldOut(BaseModel):
    """A parameter of a request. `choices` are the known names where there is a catalogue.

    abilities: a checkpoint must have one of them for the field to mean anything to it; none means every checkpoint.
    """

    name: str
    kind: str
    label: str
    help: str
    default: Any
    minimum: float | None
    maximum: float | None
    step: float | None
    multiple: int | None
    group: str
    abilities: list[str]
    choices: list[str] | None


class PanelOut(BaseModel):
    """The fields of an extension; a request has their values under extensions, by its name and the fields' own.

    enabled: the name of the field that switches it on; without one it is on where a value is not the default.
    """

    name: str
    title: str
    help: str
    enabled: str | None
    fields: list[FieldOut]


class FieldsOut(BaseModel):
    """All parameters of a request: its own, and by extension those that it may have under extensions."""

    fields: list[FieldOut]
    extensions: list[PanelOut]
