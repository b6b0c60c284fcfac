"""The bodies and answers of routes about extensions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic import Field as Describe

from webui.web.schemas import ProblemOut, Strict


class LookRequest(Strict):
    """The body of POST /extensions/look."""

    source: Annotated[str, Describe(max_length=1000, description="A git address, an archive, a folder, pypi:name")]
    ref: Annotated[str, Describe(max_length=200, description="A branch, tag, commit or version")] = ""
    sha256: Annotated[str, Describe(max_length=64, description="Refuse anything else")] = ""


class UpdateRequest(Strict):
    """The body of POST /extensions/{name}/update."""

    ref: Annotated[str, Describe(max_length=200, description="Another branch, tag, commit or version")] = ""


class OwnSettingsRequest(Strict):
    """The body of PATCH /extensions/{name}/settings: values by the settings' names; null is the default."""

    values: dict[str, bool | int | float | str | None]


class OwnSettingOut(BaseModel):
    """One of them. value: null of a secret one, of which only `is_set` is told."""

    name: str
    kind: str
    label: str
    help: str
    minimum: float | None
    maximum: float | None
    step: float | None
    slider: tuple[float, float] | None
    multiple: int | None
    choices: list[str]
    secret: bool
    is_set: bool
    value: bool | int | float | str | None


class OwnSettingsOut(BaseModel):
    """What the owner sets for an extension itself."""

    settings: list[OwnSettingOut]


class InstallRequest(Strict):
    """The body of POST /extensions/install. plan: as a look has answered."""

    plan: Annotated[str, Describe(max_length=64)]


class PermissionOut(BaseModel):
    """Something that an extension says that it does."""

    name: str
    means: str


class ExtensionSourceOut(BaseModel):
    """Where an extension came from. wanted: a git ref or a package's version, "" for the newest."""

    kind: Literal["git", "archive", "folder", "package"]
    address: str
    wanted: str


class ExtensionFacts(BaseModel):
    """What an extension says of itself. says: what it brings, in its own words."""

    name: str
    version: str
    title: str
    description: str
    author: str
    license: str
    links: dict[str, str]
    permissions: list[PermissionOut]
    dependencies: list[str]
    requires: list[str]
    says: list[str]


class HookTimeOut(BaseModel):
    """What one hook of an extension has cost, over both processes: seconds in all, and the longest call."""

    extension: str
    hook: str
    calls: int
    seconds: float
    slowest: float
    errors: int
    trace: str


class ExtensionOut(ExtensionFacts):
    """An extension's card.

    folder: its path. ok, enabled, problem, trace: what became of it at this start. on: whether it is switched on now;
    next: what the next start makes of it, and next_version. next_problem: why it will leave it out, as its manifest
    tells now. contributes: names of its rows, by hook; hooks without rows have none. missing: packages that it needs
    and that are not installed. pin: the commit, version or archive's sum that came; sha256: of its content.
    installed: Unix seconds. removable: it was installed, or put there by the person. bundled: it came with Darkroom.
    in_bin: it was removed, and can be taken back. newest: what the last check for updates has found, until it is
    installed.
    """

    folder: str
    ok: bool
    enabled: bool
    problem: str | None
    trace: str
    on: bool
    next: Literal["", "added", "changed", "removed", "on", "off"]
    next_version: str
    next_problem: str | None
    contributes: dict[str, list[str]]
    missing: list[str]
    hooks: list[HookTimeOut]
    source: ExtensionSourceOut | None
    pin: str
    sha256: str
    installed: float | None
    removable: bool
    bundled: bool
    in_bin: bool
    newest: str


class WorkOut(BaseModel):
    """A long action on extensions. words: what is being done. result: a plan, where it was a look."""

    id: str
    what: str
    about: str
    state: Literal["running", "done", "failed"]
    words: str
    started: float
    ended: float | None
    result: Any
    problem: ProblemOut | None


class PlanOut(ExtensionFacts):
    """What installing would bring. hooks: those that its source implements, found without running it. replaces: the
    version that is here. absent: extensions that it requires and that are not here. problem: why it can't be installed.
    """

    plan: str
    source: ExtensionSourceOut
    pin: str
    sha256: str
    files: int
    size_bytes: int
    hooks: list[str]
    absent: list[str]
    replaces: str | None
    changes: list[str]
    problem: str | None


class ExtensionsOut(BaseModel):
    """All extensions that were found. restart: a start would change something. locked: why nothing can be changed."""

    extensions: list[ExtensionOut]
    restart: bool
    safe_mode: bool
    locked: str | None
    work: WorkOut | None


class IndexRowOut(BaseModel):
    """An extension in an index."""

    name: str
    title: str
    description: str
    source: str
    version: str
    sha256: str


class FoundOut(BaseModel):
    """What was found in the indexes. problems: a sentence for each that could not be read."""

    found: list[IndexRowOut]
    problems: list[str]
