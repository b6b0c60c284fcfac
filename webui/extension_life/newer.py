"""What there is newer of installed extensions: asked for cheaply, without fetching them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.core.errors import DarkroomError, InvalidField
from webui.extension_life import git, pip
from webui.extension_life.content import digest
from webui.extension_life.index import Row
from webui.extension_life.records import Record
from webui.extension_life.sources import parse_source
from webui.extension_life.task import Stopped, Task
from webui.plugins.manifest import read_manifest, same


@dataclass(frozen=True, slots=True)
class Newer:
    """One extension. newest: the version or the commit that an update would bring, "" where this is the newest;
    problem: why it could not be found out. sha256: of the content that was asked about.
    """

    name: str
    newest: str = ""
    problem: str = ""
    sha256: str = ""


def newer(records: Sequence[Record], rows: Sequence[Row], task: Task) -> list[Newer]:
    """Ask for each; one that cannot be asked does not keep the others from it. Raises Stopped."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for record in records:
            task.check()
            task.say(f"Asking for {record.name}")
            row = next((row for row in rows if same(row.name, record.name)), None)
            try:
                found.append(Newer(record.name, _newest(record, row, Path(folder), task), sha256=record.sha256))
            except Stopped:
                raise
            except DarkroomError as error:
                found.append(Newer(record.name, problem=error.detail))
            except OSError as error:
                found.append(Newer(record.name, problem=f"It could not be found out: {error.strerror or error}."))
    return found


def _newest(record: Record, row: Row | None, folder: Path, task: Task) -> str:
    if row is not None:
        if row.sha256 and row.sha256 not in (record.sha256, record.pin):
            return row.version or row.sha256[:10]
        if row.version and row.version != record.version:
            return row.version
        if parse_source(row.source) == record.source and row.sha256:
            return ""
    source = record.source
    match source.kind:
        case "git":
            commit = git.resolve(source, task, folder)
            return "" if commit == record.pin else commit[:10]
        case "package":
            # Asked for the newest, whatever was asked for when it was installed.
            version = pip.newest(source.address, folder, task)
            return "" if version == record.pin else version
        case "folder":
            if not Path(source.address).is_dir():
                raise InvalidField(f"{source.address} is no longer there.")
            if digest(Path(source.address)) == record.sha256:
                return ""
            version = read_manifest(Path(source.address)).version
            return version if version != record.version else "another content"
        case "archive":
            # An archive of one version stays as it is; a list of extensions says when there is another.
            return ""
