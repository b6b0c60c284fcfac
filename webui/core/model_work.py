"""Requests for works on models' files: merge, convert, prune, download. Frozen values of names, the same as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Self

from webui.core.errors import Faults, InvalidField, UnknownName

SCHEMA: Final = 1
"""Version of the JSON form of all of them."""

WORKSHOP: Final = "workshop"

PRECISIONS: Final = ("fp32", "fp16", "bf16", "fp8")
"""What weights may be kept in; fp8 is e4m3fn without scales, for matrices and convolutions only."""

WEIGHTED_SUM: Final = "Weighted sum"
ADD_DIFFERENCE: Final = "Add difference"
NO_INTERPOLATION: Final = "No interpolation"
METHODS: Final = (WEIGHTED_SUM, ADD_DIFFERENCE, NO_INTERPOLATION)
"""A1111's names."""

MERGED: Final[Mapping[str, str]] = MappingProxyType(
    {"A": "primary_model_name", "B": "secondary_model_name", "C": "tertiary_model_name"}
)
"""Where a merge's request names each of its models, by its letter."""

TAKES: Final[Mapping[str, str]] = MappingProxyType({WEIGHTED_SUM: "AB", ADD_DIFFERENCE: "ABC", NO_INTERPOLATION: "A"})
"""The letters of the models that a method takes."""

NONE: Final = "none"
METADATA_FROM: Final = ("A", "B", "C", NONE)
FORMATS: Final = ("safetensors", "ckpt")
DIFFUSERS: Final = "diffusers"
ROLES: Final = ("denoiser", "vae", "text_encoder")

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "checkpoint": "Stable-diffusion",
        "diffusion model": "diffusion_models",
        "VAE": "VAE",
        "text encoder": "text_encoder",
        "LoRA": "Lora",
        "embedding": "embeddings",
        "ControlNet": "ControlNet",
        "upscaler": "ESRGAN",
        "hypernetwork": "hypernetworks",
    }
)
"""What can be downloaded, and A1111's folder inside models/ for it."""

_MAX_NAME, _MAX_ADDRESS = 500, 2000


def option(default: Any, help_: str, **limits: Any) -> Any:
    """A field with what there is to know of it. choices, keys (of a mapping), minimum, maximum, most (characters)."""
    if isinstance(default, str):
        limits.setdefault("most", _MAX_NAME)
    metadata = {"help": help_, **limits}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class ModelWork:
    """The base of them; see core/job_request.py for what jobs ask of a request.

    A work's fields are texts, truth values, numbers, and mappings of texts, each made with a help and its limits.
    """

    workplace = WORKSHOP
    pictures = 0
    alone = False
    keeps_place = True
    """Whether nothing was in its place when it was accepted, and no other work may write there until it has ended."""

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """A checked request from loose values; missing ones take their defaults. Raises InvalidField."""
        known, faults = {f.name: f for f in fields(cls)}, Faults()
        for name in [name for name in values if name not in known]:
            faults.add(UnknownName("field", str(name), known, field=str(name)[:60]))
        faults.raise_found()
        found = cls(**values)
        found.check()
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The request that `to_json` described. Raises InvalidField."""
        if not isinstance(data, Mapping):
            raise InvalidField("A request is a JSON object.")
        values = dict(data)
        schema = values.pop("schema", SCHEMA)
        if not isinstance(schema, int) or not 1 <= schema <= SCHEMA:
            raise InvalidField(f"This request has schema {str(schema)[:20]}; this version reads up to {SCHEMA}.")
        return cls.from_values(values)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data that `from_json` reads back to an equal request."""
        return {"schema": SCHEMA, **asdict(self)}

    def dumps(self) -> str:
        """The JSON text, with its keys in a fixed order."""
        return json.dumps(self.to_json(), ensure_ascii=False, sort_keys=True)

    def check(self) -> None:
        """Raises InvalidField, or InvalidRequest for several faults at once."""
        faults = Faults()
        for one in fields(self):
            for error in _wrong(one, getattr(self, one.name)):
                faults.add(error)
        faults.raise_found()

    @property
    def models(self) -> tuple[str, ...]:
        """None: it is the files that are worked on."""
        return ()

    @property
    def alike(self) -> Hashable:
        """Works differ too much to tell from one how long the next will take."""
        return self.dumps()

    @property
    def lighter(self) -> tuple[str, ...]:
        """What a person can do when it was too much for the machine."""
        return ("Close programs that use much memory", "Look into the log")

    @property
    def summary(self) -> str:
        """What it is about, in a line for people."""
        return ""

    @property
    def writes(self) -> str:
        """What it writes: of two works for which this is the same one would lose its result. "" for nothing known."""
        return ""

    def seed_of(self, index: int) -> int:
        """There are no pictures."""
        raise IndexError(index)


@dataclass(frozen=True, slots=True)
class Made:
    """What a work has made. `path` is the machine's, for its owner alone.

    `title`: as the list of checkpoints has it, "" for what is no checkpoint. `text`: what was made, where that is
    words; `name` is then who made them.
    """

    name: str
    path: str = ""
    title: str = ""
    text: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` described."""
        return cls(*(str(data.get(name, "")) for name in ("name", "path", "title", "text")))

    def to_json(self, *, with_path: bool = True) -> dict[str, str]:
        """JSON-ready data."""
        return {**asdict(self), "path": self.path if with_path else ""}


@dataclass(frozen=True, slots=True)
class Merge(ModelWork):
    """One new checkpoint of up to three; the names are A1111's where it has one.

    multiplier: M. precision: "" keeps A's. custom_name: as it is written into the recipe, "" to have a name made.
    format: "safetensors", "ckpt" or "diffusers" (a folder of A's form).
    target: the new file's name, filled when the request is accepted.
    """

    interp_method: str = option(WEIGHTED_SUM, "How they are put together.", choices=METHODS)
    multiplier: float = option(0.3, "M, from 0 to 1.", minimum=0.0, maximum=1.0)
    precision: str = option("", "What the result is kept in; empty for A's.", choices=("", *PRECISIONS[:-1]))
    format: str = option("safetensors", "The file's format; diffusers is a folder.", choices=(*FORMATS, DIFFUSERS))
    discard_weights: str = option("", "Leave out tensors in whose names this regular expression is found.")
    metadata_from: str = option("A", "Whose metadata the result carries on.", choices=METADATA_FROM)
    add_merge_recipe: bool = option(True, "Write of which models it is made.")
    custom_name: str = option("", "The new checkpoint's name; empty for one as A1111 makes it.")
    overwrite: bool = option(False, "Replace a checkpoint of that name.")
    primary_model_name: str = option("", "A: a title, name or hash.")
    secondary_model_name: str = option("", "B.")
    tertiary_model_name: str = option("", "C.")
    bake_in_vae: str = option("", "A VAE to put in; empty for none.")
    target: str = option("", "The new file's name; filled when it is accepted.")

    def check(self) -> None:
        """See ModelWork.check."""
        ModelWork.check(self)
        try:
            re.compile(self.discard_weights)
        except (re.error, RecursionError, OverflowError) as error:
            raise InvalidField(
                f"'{self.discard_weights[:60]}' is no regular expression: {error}.", field="discard_weights"
            ) from error

    @property
    def summary(self) -> str:
        """The new file, or of what it is made."""
        names = (self.primary_model_name, self.secondary_model_name, self.tertiary_model_name)
        return self.target or " + ".join(name for name in names if name)

    @property
    def writes(self) -> str:
        """The file or folder among the checkpoints."""
        return _checkpoint(self.target)


@dataclass(frozen=True, slots=True)
class Convert(ModelWork):
    """The same model in another form.

    form: "safetensors", "ckpt" or "diffusers" (a folder). precision: by role; what is not named keeps its own.
    """

    form: str = option("safetensors", "The new form; diffusers is a folder.", choices=(*FORMATS, DIFFUSERS))
    precision: Mapping[str, str] = option({}, "What each role's weights are kept in.", keys=ROLES, choices=PRECISIONS)
    overwrite: bool = option(False, "Replace a checkpoint of that name.")
    checkpoint: str = option("", "A title, name or hash.")
    name: str = option("", "The new checkpoint's name; empty for the old one with another end.")
    target: str = option("", "The new file's name; filled when it is accepted.")

    @property
    def summary(self) -> str:
        """From what to what."""
        return f"{self.checkpoint} → {self.target or self.form}"

    @property
    def writes(self) -> str:
        """The file or folder among the checkpoints."""
        return _checkpoint(self.target)


@dataclass(frozen=True, slots=True)
class Prune(ModelWork):
    """A file without what no part of its family reads. keep_ema: with the averaged weights in place of the others."""

    keep_ema: bool = option(False, "Keep the averaged weights in place of the others.")
    overwrite: bool = option(False, "Replace a checkpoint of that name.")
    format: str = option("safetensors", "The file's format.", choices=FORMATS)
    checkpoint: str = option("", "A title, name or hash.")
    name: str = option("", "The new checkpoint's name; empty for the old one and -pruned.")
    target: str = option("", "The new file's name; filled when it is accepted.")

    @property
    def summary(self) -> str:
        """From what to what."""
        return f"{self.checkpoint} → {self.target}" if self.target else self.checkpoint

    @property
    def writes(self) -> str:
        """The file among the checkpoints."""
        return _checkpoint(self.target)


@dataclass(frozen=True, slots=True)
class Download(ModelWork):
    """A model from the hub, from CivitAI or from any address. kind: a name in KINDS, "" to have it found out."""

    keeps_place = False

    address: str = option("", "owner/repository/file, or a link.", most=_MAX_ADDRESS)
    revision: str = option("", "Of a repository on the hub: a branch, a tag or a commit.")
    file: str = option("", "Which file, where there are several.")
    kind: str = option("", "What it is; empty to have it found out.", choices=("", *KINDS))
    name: str = option("", "Its name here; empty for the server's.")
    overwrite: bool = option(False, "Replace a file of that name.")

    @property
    def summary(self) -> str:
        """From where."""
        return self.address

    @property
    def writes(self) -> str:
        """Its own name where it has one, which may be in any folder of models; else what is fetched."""
        return f"download of {self.address} {self.revision} {self.file} as {self.name}"


def _checkpoint(name: str) -> str:
    # Some disks take names that differ in case alone for one.
    return f"checkpoint {name.casefold()}" if name else ""


def _wrong(one: Field[Any], value: Any) -> Iterator[InvalidField]:
    """What is wrong with a field's value."""
    name, limits, default = one.name, one.metadata, one.default
    if isinstance(default, bool):
        if not isinstance(value, bool):
            yield InvalidField(f"{name} is true or false.", field=name)
    elif isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield InvalidField(f"{name} is a number.", field=name)
        elif not limits["minimum"] <= value <= limits["maximum"]:
            low, high = limits["minimum"], limits["maximum"]
            yield InvalidField(f"The {name} is from {low:g} to {high:g}, not {value:g}.", field=name)
    elif isinstance(default, str):
        yield from _wrong_text(name, value, limits)
    elif "keys" in limits:
        if not isinstance(value, Mapping):
            yield InvalidField(f"{name} is an object of texts.", field=name)
            return
        for key, text in value.items():
            yield from _wrong_text(name, key, {"choices": limits["keys"]})
            yield from _wrong_text(name, text, limits)


def _wrong_text(name: str, value: Any, limits: Mapping[str, Any]) -> Iterator[InvalidField]:
    choices = limits.get("choices")
    if not isinstance(value, str):
        yield InvalidField(f"{name} is a text.", field=name)
    elif choices is not None and value not in choices:
        shown = ", ".join(f"'{choice}'" for choice in choices if choice)
        yield InvalidField(f"{name} is one of {shown}, not '{value[:40]}'.", field=name)
    elif choices is None and len(value) > limits["most"]:
        yield InvalidField(f"{name} has {len(value)} characters; at most {limits['most']} are taken.", field=name)
