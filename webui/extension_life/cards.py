"""Every extension as its card shows it: what became of it at the start, and what the next start will make of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from webui.extension_life import overlay
from webui.extension_life.hooks_in import hooks_in
from webui.extension_life.life import Life
from webui.extension_life.places import Found
from webui.extension_life.plan import facts
from webui.extension_life.pointer import current
from webui.extension_life.records import Record
from webui.plugins.loader import GONE, taken
from webui.plugins.manager import ExtensionReport
from webui.plugins.manifest import same

Brought = Callable[[str], Mapping[str, Sequence[str]]]
"""The names of the rows that an extension brought, by hook."""


class Cards:
    """Compares what lies there now with what this start has loaded. loads: False where it loads no extensions."""

    def __init__(self, life: Life, state: Path, brought: Brought, *, loads: bool) -> None:
        self._life = life
        self._state = state
        self._brought = brought
        self.safe_mode = not loads
        self._core: dict[str, str] | None = None
        self._overlay = current(state).folder
        self._hooks: dict[Path, list[str]] = {}
        lying = life.places.found()
        self._sums = {found.folder: self._sum(found) for found in lying}
        self._records = {found.folder: life.record_of(found.folder, found.name) for found in lying}
        """Where they came from, for those that are taken away meanwhile."""

    def all(self, reports: Sequence[ExtensionReport]) -> list[dict[str, Any]]:
        """A card for each that was loaded, left out, or put there since; JSON-ready."""
        if self._core is None:
            # Reading what is installed takes a moment, and a program that runs has what it had.
            self._core = overlay.core_packages(self._state)
        lying = {found.folder: found for found in self._told_apart(self._life.places.found())}
        known = {report.folder for report in reports}
        cards = [self._card(report, lying.get(report.folder) if report.folder else None) for report in reports]
        return cards + [self._card(_unknown(found), found) for found in lying.values() if found.folder not in known]

    def waits(self, cards: Sequence[Mapping[str, Any]]) -> bool:
        """Whether something has changed that the next start brings."""
        return any(card["next"] for card in cards) or current(self._state).folder != self._overlay

    def may_load(self, folder: Path) -> bool:
        """Whether one that is off could be loaded now: it lies there, and this start has found its packages."""
        found = next((one for one in self._life.places.found() if one.folder == folder), None)
        if found is None or found.manifest is None:
            return False
        wants = found.manifest.dependencies
        is_ours = current(self._state).folder == self._overlay
        return not wants or (is_ours and not overlay.missing(wants, self._state, self._core))

    def loaded(self, folders: Collection[Path]) -> None:
        """These were loaded now, as they lie there."""
        for found in self._life.places.found():
            if found.folder in folders:
                self._sums[found.folder] = self._sum(found)
                self._records[found.folder] = self._life.record_of(found.folder, found.name)
                self._hooks.pop(found.folder, None)

    def in_bin(self, report: ExtensionReport) -> bool:
        """Whether one whose folder is not there was removed and can be taken back; not one deleted by hand."""
        # The bin holds replaced versions too; removing takes the record away, and deleting by hand does not.
        if self._life.records.get(report.name) is not None:
            return False
        return self._life.places.binned(report.name) is not None

    def left_out(self, reports: Sequence[ExtensionReport]) -> list[ExtensionReport]:
        """Those that a person should hear of: not one that was removed since the start, nor one that is back again."""
        broken = (report for report in reports if report.enabled and report.problem)
        return [report for report in broken if report.problem != GONE or not (_is_there(report) or self.in_bin(report))]

    def _sum(self, found: Found) -> str:
        """What tells that an extension is another than before; of one that was put there by hand its version."""
        record = self._life.record_of(found.folder, found.name)
        return record.sha256 if record else found.manifest.version if found.manifest else ""

    def _card(self, report: ExtensionReport, found: Found | None) -> dict[str, Any]:
        record = self._life.record_of(report.folder, report.name) if report.folder else None
        in_bin = found is None and self.in_bin(report)
        if found is None and report.folder is not None:
            record = record or self._records.get(report.folder)
        manifest = found.manifest if found else None
        is_on = found is not None and not self._life.is_off(found)
        said = facts(manifest) if manifest else _facts(report)
        return {
            **said,
            "folder": str(report.folder or ""),
            # What runs, not what lies there for the next start.
            "version": report.version or said["version"],
            "ok": report.ok,
            "enabled": report.enabled,
            "problem": _problem(report, found, in_bin=in_bin) or None,
            "trace": report.trace,
            "on": is_on,
            "next_version": manifest.version if manifest else "",
            "next": self._next(report, found, is_on),
            "next_problem": self._next_problem(report, found, is_on),
            "contributes": self._contributes(report),
            "missing": overlay.missing(manifest.dependencies, self._state, self._core) if manifest and is_on else [],
            "hooks": [asdict(time) for time in report.hooks],
            "removable": found is not None and not self._life.is_bundled(found),
            "bundled": self._is_bundled(report, found, record),
            "in_bin": in_bin,
            **_origin(record),
        }

    def _is_bundled(self, report: ExtensionReport, found: Found | None, record: Record | None) -> bool:
        if found is not None:
            return self._life.is_bundled(found)
        return report.folder is not None and self._life.places.is_ours(
            report.folder, report.author, installed=record is not None
        )

    def _contributes(self, report: ExtensionReport) -> dict[str, list[str]]:
        """The rows that were loaded, by hook; then the hooks without rows, read once, of the files that were loaded."""
        if not report.ok or report.folder is None:
            return {}
        rows = {hook: list(names) for hook, names in self._brought(report.name).items()}
        if report.folder not in self._hooks:
            self._hooks[report.folder] = hooks_in(report.folder)
        return rows | {hook: [] for hook in self._hooks[report.folder] if hook not in rows}

    def _told_apart(self, found: Sequence[Found]) -> list[Found]:
        """The same, where of two of one name the second is said to be one too many."""
        told: list[Found] = []
        for one in found:
            twins = (
                o.folder
                for o in told
                if o.manifest and one.manifest and same(o.name, one.name) and not self._life.is_off(o)
            )
            twin = next(twins, None) if not self._life.is_off(one) else None
            told.append(replace(one, problem=taken(twin)) if twin else one)
        return told

    def _next(self, report: ExtensionReport, found: Found | None, is_on: bool) -> str:
        """added, removed, changed, on or off at the next start; "" where it stays as it is."""
        if found is None:
            return "removed"
        if self.safe_mode:
            return ""
        if found.folder not in self._sums:
            return "added" if is_on and not found.problem else ""
        if report.problem == GONE:
            # It was away when another was switched, and so it was left out; here it is again.
            return "on" if is_on and not found.problem else ""
        if is_on != report.enabled:
            return "on" if is_on else "off"
        return "changed" if is_on and self._sums[found.folder] != self._sum(found) else ""

    def _next_problem(self, report: ExtensionReport, found: Found | None, is_on: bool) -> str | None:
        """Why the next start will leave it out, as far as its manifest tells now; None where this start has said it."""
        if found is None or not is_on or not found.problem or found.problem == report.problem:
            return None
        return found.problem


def _problem(report: ExtensionReport, found: Found | None, *, in_bin: bool) -> str:
    """What the card says is wrong. That a folder is gone goes by what lies there now, not by the last switch."""
    if found is None and not in_bin:
        return GONE
    return "" if report.problem == GONE else report.problem


def _is_there(report: ExtensionReport) -> bool:
    return report.folder is not None and report.folder.is_dir()


def _unknown(found: Found) -> ExtensionReport:
    """For one that this start has not met."""
    version, title = (found.manifest.version, found.manifest.title) if found.manifest else ("", found.folder.name)
    return ExtensionReport(found.name, version, title, ok=False, folder=found.folder)


def _facts(report: ExtensionReport) -> dict[str, Any]:
    """What is known of one whose manifest cannot be read, in the form of `facts`."""
    return {
        "name": report.name,
        "version": report.version,
        "title": report.title,
        "description": report.description,
        "author": report.author,
        "license": "",
        "links": {},
        "permissions": [],
        "dependencies": [],
        "requires": [],
        "says": [],
    }


def _origin(record: Record | None) -> dict[str, Any]:
    if record is None:
        return {"source": None, "pin": "", "sha256": "", "installed": None}
    return {
        "source": record.source.to_json(),
        "pin": record.pin,
        "sha256": record.sha256,
        "installed": record.installed,
    }
