"""What may be done with extensions: look at one, install, update, switch, remove, take back, search."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from webui.core.errors import Conflict, InvalidField, NotFound, UnknownName
from webui.core.paths import Paths
from webui.extension_life import overlay
from webui.extension_life.fetch import check_sum, disk_sentences, fetch
from webui.extension_life.index import Indexes, Rows
from webui.extension_life.newer import Newer, newer
from webui.extension_life.places import Found, Places
from webui.extension_life.plan import Plan, absent, make_plan
from webui.extension_life.pointer import Overlay, switch
from webui.extension_life.records import Record, Records
from webui.extension_life.sources import Source, parse_source
from webui.extension_life.task import Task
from webui.plugins.manifest import Manifest, same

RECORD = ".record"
"""Where, beside an extension in the bin, its record is kept."""


class Life:
    """The extensions of one house. Methods block; long ones take a Task. Changes take one process at a time.

    disabled: the names that are switched off in the settings; disable: sets them. indexes: addresses of indexes.
    """

    def __init__(
        self,
        paths: Paths,
        disabled: Callable[[], Collection[str]],
        disable: Callable[[tuple[str, ...]], Any],
        indexes: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self.places = Places(paths)
        self.records = Records(paths.state)
        self._state = paths.state
        self._disabled = disabled
        self._disable = disable
        self._addresses = indexes
        self._indexes = Indexes(self.places.tokens)
        self._plans: dict[str, Plan] = {}

    # Look, then install

    def look(self, source: str, task: Task, wanted: str = "", sha256: str = "") -> Plan:
        """Fetch an extension and say what installing it would bring; nothing is changed, and nothing of it is run.

        wanted: a branch, tag, commit or version. sha256: refuses anything else. Raises DarkroomError.
        """
        return self._look(parse_source(source, wanted), task, sha256)

    def look_update(self, name: str, task: Task, wanted: str = "") -> Plan:
        """The same for the newest of an installed extension, from where it came, or from where an index has it now.

        Raises NotFound; Conflict where nobody knows where it came from.
        """
        found = self.installed(name)
        record = self.records.get(found.name)
        row = self._indexes.row(self._addresses(), found.name) if not wanted else None
        if row is not None and (record is None or parse_source(row.source) != record.source):
            source, sha256 = parse_source(row.source), row.sha256
        elif record is None:
            raise _unknown_origin(found)
        else:
            source, sha256 = _again(record.source, wanted), row.sha256 if row else ""
        plan = self._look(source, task, sha256)
        if not same(plan.staged.manifest.name, found.name):
            self.discard(plan.id)
            raise Conflict(f"What lies there now is another extension, '{plan.staged.manifest.name}'.")
        return plan

    def name_of(self, plan_id: str) -> str:
        """The name of the extension that a plan is about; "" for a plan that is not known."""
        plan = self._plans.get(plan_id)
        return plan.staged.manifest.name if plan else ""

    def discard(self, plan_id: str) -> None:
        """Take away what was fetched for a plan; one that is not known is gone already."""
        plan = self._plans.pop(plan_id, None)
        if plan is not None:
            shutil.rmtree(plan.staged.folder.parent, ignore_errors=True)

    def discard_all(self) -> None:
        """Take away what was fetched for any plan."""
        for plan_id in list(self._plans):
            self.discard(plan_id)

    def install(self, plan_id: str, task: Task) -> Record:
        """Install what a plan has shown: its packages first, then its folder, in one step; the old one goes to the bin.

        Raises DarkroomError; everything is as it was then, and the plan can be tried again.
        """
        # Taken in one step: meanwhile nobody discards it, and nobody installs it a second time.
        plan = self._plans.pop(plan_id, None)
        if plan is None or not plan.staged.folder.is_dir():
            raise NotFound("What was looked at is no longer there.", remedies=("Look at it again",))
        try:
            is_new, record = self._install(plan, task)
        except BaseException:
            self._plans[plan_id] = plan
            raise
        shutil.rmtree(plan.staged.folder.parent, ignore_errors=True)
        if is_new and self._is_named_off(record.name):
            # It was switched off when it was removed, and is wanted now.
            self._set(record.name, on=True)
        return record

    def _install(self, plan: Plan, task: Task) -> tuple[bool, Record]:
        """(whether there was none of this name, its record)."""
        if plan.problem:
            raise Conflict(plan.problem)
        missing = absent(plan.staged.manifest, self.places.found())
        if missing:
            raise Conflict(
                f"It requires {_names(missing)}, which is not here.", remedies=(f"Install {_names(missing)} first",)
            )
        manifest = plan.staged.manifest
        with self.places.alone():
            before = self._check_place(manifest.name)
            is_off = before is not None and self.is_off(before)
            built = None if is_off else self._packages_for(manifest, task)
            task.check()
            record = _record(plan)
            self._put(plan, before, record)
            if built is not None:
                switch(built, self._state)
        return before is None, record

    # What is here

    def installed(self, name: str) -> Found:
        """The extension of this name; raises UnknownName."""
        found = self.places.get(name)
        if found is None:
            raise UnknownName("extension", name, [one.name for one in self.places.found()], field="name")
        return found

    def record_of(self, folder: Path, name: str) -> Record | None:
        """Where the extension of this name in this folder came from; None for a twin of it that was put there by hand.

        The folder may be gone.
        """
        record = self.records.get(name)
        return record if record and folder == self.places.own / record.name else None

    def is_bundled(self, found: Found) -> bool:
        """Whether it came with Darkroom: it can be switched off, but neither updated nor removed."""
        return self.places.is_bundled(found, installed=self.records.get(found.name) is not None)

    def is_off(self, found: Found) -> bool:
        """Whether it is switched off in the settings, by its own name or its folder's."""
        return self._is_named_off(found.name) or self._is_named_off(found.folder.name)

    def enable(self, name: str, task: Task) -> None:
        """Switch it on, from the next start on; what it needs is installed first. Raises DarkroomError."""
        found = self.installed(name)
        if found.manifest:
            with self.places.alone():
                built = self._packages_for(found.manifest, task)
                if built is not None:
                    switch(built, self._state)
        self._set(found.name, on=True)

    def disable(self, name: str) -> None:
        """Switch it off, from the next start on. Raises Conflict where one that is on requires it."""
        found = self.installed(name)
        self._check_not_required(found)
        self._set(found.name, on=False)

    def remove(self, name: str) -> None:
        """Move it into the bin. Raises UnknownName, and Conflict where it is Darkroom's own or another requires it."""
        with self.places.alone():
            found = self.installed(name)
            if self.is_bundled(found):
                raise Conflict(f"'{found.name}' belongs to Darkroom itself.", remedies=("Switch it off",))
            self._check_not_required(found)
            kept = self.places.to_bin(found.folder)
            record = self.record_of(found.folder, found.name)
            if record is not None:
                Records(kept.parent / RECORD).put(record)
                self.records.remove(found.name)
        if self._is_named_off(found.name):
            self._set(found.name, on=True)

    def restore(self, name: str) -> None:
        """Take it out of the bin, as it was. Raises NotFound, and Conflict where another is in its place."""
        with self.places.alone():
            kept = self.places.binned(name)
            if kept is None:
                raise NotFound(f"No extension '{name[:60]}' is in the bin.")
            self._check_free(kept.name)
            with disk_sentences(self.places.own):
                kept.rename(self.places.own / kept.name)
            record = Records(kept.parent / RECORD).get(kept.name)
            if record is not None:
                self.records.put(record)
            shutil.rmtree(kept.parent, ignore_errors=True)

    def install_packages(self, task: Task) -> None:
        """Resolve and install what all extensions that are on need together, where something is missing.

        Raises DarkroomError.
        """
        with self.places.alone():
            wanted = {manifest.name: manifest.dependencies for manifest in self._manifests()}
            if overlay.missing([line for lines in wanted.values() for line in lines], self._state):
                switch(overlay.build(wanted, self._state, task), self._state)

    def newer(self, task: Task) -> list[Newer]:
        """What there is newer of each extension whose origin is known; asks their servers, fetches little."""
        rows = self._indexes.all(self._addresses()).rows
        known = (self.record_of(found.folder, found.name) for found in self.places.found())
        return newer([record for record in known if record], rows, task)

    def search(self, words: str) -> Rows:
        """Extensions in the indexes that the settings name."""
        return self._indexes.search(self._addresses(), words)

    def _look(self, source: Source, task: Task, sha256: str) -> Plan:
        staged = fetch(source, self.places.staging(), task, self.places.tokens)
        plan_id = secrets.token_hex(8)
        done = False
        try:
            check_sum(staged, sha256)
            before = self._check_place(staged.manifest.name)
            record = self.records.get(before.name) if before else None
            core = overlay.core_packages(self._state)
            with disk_sentences(staged.folder):
                plan = make_plan(plan_id, staged, self.places.found(), before, record, core)
            for old in [one.id for one in self._plans.values() if same(one.staged.manifest.name, staged.manifest.name)]:
                self.discard(old)
            self._plans[plan_id] = plan
            done = True
            return plan
        finally:
            if not done:
                shutil.rmtree(staged.folder.parent, ignore_errors=True)

    def _put(self, plan: Plan, before: Found | None, record: Record) -> None:
        """Both folders lie on one disk, so that each is moved in one step; a failure moves the old one back."""
        place = self.places.own / record.name
        kept = self.places.to_bin(before.folder, for_another=True) if before else None
        known = self.records.get(record.name)
        done = False
        try:
            with disk_sentences(self.places.own):
                plan.staged.folder.rename(place)
            self.records.put(record)
            if kept and known:
                Records(kept.parent / RECORD).put(known)
            done = True
        finally:
            if not done:
                if place.exists():
                    place.rename(plan.staged.folder)
                if kept and before:
                    kept.rename(before.folder)
            if kept:
                self.places.settled(kept)

    def _check_place(self, name: str) -> Found | None:
        """The extension whose place one of this name takes. Raises Conflict where it may not."""
        before = self.places.get(name)
        if before is not None and self.is_bundled(before):
            raise Conflict(f"An extension '{before.name}' belongs to Darkroom itself.", field="source")
        if before is None or before.folder.name != name:
            self._check_free(name)
        return before

    def _check_free(self, name: str) -> None:
        place = self.places.own / name
        if place.exists() or place.is_symlink():
            raise Conflict(f"{place} is taken.", remedies=("Rename that folder",))
        taken = self.places.get(name)
        if taken is not None and taken.folder.name != name and not same(taken.folder.name, name):
            raise Conflict(f"An extension of this name lies in {taken.folder}.", remedies=("Remove it first",))

    def _check_not_required(self, found: Found) -> None:
        needs = [
            other.name
            for other in self.places.found()
            if other.manifest
            and any(same(found.name, name) for name in other.manifest.requires)
            and not self.is_off(other)
        ]
        if needs:
            raise Conflict(f"{_names(needs)} requires it.", remedies=(f"Switch {_names(needs)} off first",))

    def _packages_for(self, manifest: Manifest, task: Task) -> Overlay | None:
        """A new overlay in which an extension has what it needs; None where it has, which asks no network.

        One that lacks something already keeps no other from being installed.
        """
        core = overlay.core_packages(self._state)
        if not overlay.missing(manifest.dependencies, self._state, core):
            return None
        others = (one for one in self._manifests() if not same(one.name, manifest.name))
        whole = [one for one in others if not overlay.missing(one.dependencies, self._state, core)]
        return overlay.build({one.name: one.dependencies for one in (*whole, manifest)}, self._state, task)

    def _manifests(self) -> list[Manifest]:
        """Those of all extensions that are on."""
        return [found.manifest for found in self.places.found() if found.manifest and not self.is_off(found)]

    def _is_named_off(self, name: str) -> bool:
        return name in self._disabled()

    def _set(self, name: str, *, on: bool) -> None:
        found = self.places.get(name)
        # Both names switch it off.
        names = {name, found.folder.name} if found else {name}
        rest = [one for one in self._disabled() if one not in names]
        self._disable((*rest, *(() if on else (name,))))


def _record(plan: Plan) -> Record:
    staged = plan.staged
    return Record(
        name=staged.manifest.name,
        version=staged.manifest.version,
        source=staged.source,
        pin=staged.pin,
        sha256=staged.sha256,
        permissions=staged.manifest.permissions,
        dependencies=staged.manifest.dependencies,
        installed=time.time(),
    )


def _again(source: Source, wanted: str) -> Source:
    """Where to ask for the newest: a branch is followed and a tag stays; of a package another version is wanted."""
    return Source(source.kind, source.address, wanted or (source.wanted if source.kind == "git" else ""))


def _unknown_origin(found: Found) -> InvalidField:
    return InvalidField(
        f"Nobody knows where '{found.name}' came from: it was put into {found.folder.parent} by hand.",
        remedies=("Install it from its address once; then it can be updated",),
    )


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
