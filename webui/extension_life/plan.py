"""What an installation would bring, for the person who decides: who it is, what it may do, what it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webui.core.errors import Conflict
from webui.extension_life.content import digest, measure
from webui.extension_life.fetch import Staged
from webui.extension_life.hooks_in import hooks_in
from webui.extension_life.overlay import refuse_against_core
from webui.extension_life.places import Found
from webui.extension_life.records import Record
from webui.plugins.manifest import PERMISSIONS, Manifest, same


@dataclass(frozen=True, slots=True)
class Plan:
    """A fetched extension that waits for a yes. hooks: those that its source implements. absent: extensions that it
    requires and that are not here. before: what it takes the place of. changes: sentences. problem: why it cannot be
    installed as things are, "" where it can.
    """

    id: str
    staged: Staged
    files: int
    size_bytes: int
    hooks: tuple[str, ...]
    absent: tuple[str, ...]
    before: Found | None
    changes: tuple[str, ...]
    problem: str

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON-ready data."""
        manifest = self.staged.manifest
        return {
            "plan": self.id,
            **facts(manifest),
            "source": self.staged.source.to_json(),
            "pin": self.staged.pin,
            "sha256": self.staged.sha256,
            "files": self.files,
            "size_bytes": self.size_bytes,
            "hooks": list(self.hooks),
            "absent": list(self.absent),
            "replaces": self.before.manifest.version if self.before and self.before.manifest else None,
            "changes": list(self.changes),
            "problem": self.problem or None,
        }


def facts(manifest: Manifest) -> dict[str, Any]:
    """What a manifest says, as JSON-ready data; permissions with what they mean."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "description": manifest.description,
        "author": manifest.author,
        "license": manifest.license,
        "links": dict(manifest.links),
        "permissions": [{"name": word, "means": PERMISSIONS[word]} for word in manifest.permissions],
        "dependencies": list(manifest.dependencies),
        "requires": list(manifest.requires),
        "says": list(manifest.contributes),
    }


def make_plan(
    plan_id: str,
    staged: Staged,
    others: Sequence[Found],
    before: Found | None,
    record: Record | None,
    core: Mapping[str, str],
) -> Plan:
    """The plan for what was fetched. others: the extensions that are here; core: Darkroom's own packages."""
    manifest = staged.manifest
    files, size = measure(staged.folder)
    return Plan(
        id=plan_id,
        staged=staged,
        files=files,
        size_bytes=size,
        hooks=tuple(hooks_in(staged.folder)),
        absent=absent(manifest, others),
        before=before,
        changes=tuple(_changes(staged, before, record)) if before else (),
        problem=_problem(manifest, others, core),
    )


def absent(manifest: Manifest, others: Sequence[Found]) -> tuple[str, ...]:
    """The extensions that one requires and that are not here."""
    return tuple(name for name in manifest.requires if not any(same(name, other.name) for other in others))


def _problem(manifest: Manifest, others: Sequence[Found], core: Mapping[str, str]) -> str:
    try:
        refuse_against_core({manifest.name: manifest.dependencies}, core)
    except Conflict as error:
        return error.detail
    circle = _circle(manifest, [other.manifest for other in others if other.manifest])
    return f"These extensions require each other in a circle: {', '.join(circle)}." if circle else ""


def _circle(manifest: Manifest, others: Sequence[Manifest]) -> list[str]:
    """The way from an extension through what it requires back to itself; empty where there is none."""
    requires = {other.name.replace("-", "_"): other.requires for other in others}
    ways = [[manifest.name, name] for name in manifest.requires]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if same(way[-1], manifest.name):
            return way
        key = way[-1].replace("-", "_")
        if key not in seen:
            seen.add(key)
            ways += [[*way, name] for name in requires.get(key, ())]
    return []


def _changes(staged: Staged, before: Found, record: Record | None) -> Iterator[str]:
    now = staged.manifest
    lies = digest(before.folder)
    if lies == staged.sha256:
        yield "Its files are the same as those that are here."
        return
    if record is not None and record.sha256 != lies:
        yield "The files here were changed by hand; they go into the bin."
    old = before.manifest
    if old is None:
        yield f"It takes the place of one that cannot be read. {before.problem}"
        return
    if old.version == now.version:
        yield f"The version is {now.version} as before, the files are others."
    else:
        yield f"From version {old.version} to {now.version}."
    yield from _more("It asks for more permissions", old.permissions, now.permissions)
    yield from _more("It asks no more for the permissions", now.permissions, old.permissions)
    yield from _more("It needs other packages", old.dependencies, now.dependencies)
    yield from _more("It needs no more the packages", now.dependencies, old.dependencies)
    yield from _more("It requires the extensions", old.requires, now.requires)
    if old.author != now.author:
        yield f"Its author is now {now.author[:100] or 'not named'}, before {old.author[:100] or 'not named'}."
    if old.license != now.license:
        yield f"Its licence is now {now.license[:100] or 'not named'}, before {old.license[:100] or 'not named'}."


def _more(words: str, before: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    fresh = [name for name in now if name not in before]
    if fresh:
        yield f"{words}: {', '.join(fresh)}."
