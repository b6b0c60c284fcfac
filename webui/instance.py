"""One server for each data folder: the lock that proves it, and the note by which commands find the running one."""

from __future__ import annotations

import json
import logging
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from webui.core.errors import Conflict, StorageProblem
from webui.core.model_folders import OWN, ModelFolders
from webui.core.paths import Paths

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Instance:
    """A running server: its address on this machine, the token that makes its bearer the owner, its process id.

    folders: all that it searches for models.
    """

    url: str
    token: str
    pid: int
    folders: ModelFolders = field(default_factory=ModelFolders)


class DataFolder:
    """The data folder, held for as long as this process runs; the system frees the lock when the process dies."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._lock = FileLock(paths.state / "lock")
        self.token = secrets.token_urlsafe(24)

    def claim(self) -> None:
        """Take the folder. Raises Conflict when another server has it, StorageProblem when it cannot be written."""
        try:
            self._paths.state.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            other = running(self._paths)
            where = f" at {other.url}" if other else ""
            raise Conflict(
                f"Darkroom already runs on the data folder {self._paths.data_dir}{where}.",
                remedies=(
                    f"Open {other.url}" if other else "Wait for the command that makes pictures there",
                    "Start with --data-dir and another folder",
                ),
            ) from None
        except OSError as error:
            raise StorageProblem(
                f"The data folder {self._paths.state} cannot be written: {error.strerror or error}.",
                remedies=("Give this user the right to write there", "Start with --data-dir and another folder"),
            ) from error

    def make_model_folders(self) -> None:
        """Make the folders inside models/ that files are to be put into; one that cannot be made is said in the log."""
        for name in OWN:
            try:
                (self._paths.models / name).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                log.warning("%s could not be made: %s.", self._paths.models / name, error.strerror or error)

    def announce(self, url: str) -> None:
        """Write where the server is, readable by this user only."""
        note = self._paths.instance
        temporary = note.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            folders = asdict(self._paths.model_folders)
            json.dump({"url": url, "token": self.token, "pid": os.getpid(), "folders": folders}, file, default=str)
        temporary.replace(note)

    def release(self) -> None:
        """Take the note away and free the folder."""
        self._paths.instance.unlink(missing_ok=True)
        self._lock.release()


def running(paths: Paths) -> Instance | None:
    """The server that holds this data folder, or None. A note left behind by a killed server does not count."""
    note = _read(paths.instance)
    if note is None:
        return None
    probe = FileLock(paths.state / "lock")
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return note
    probe.release()
    return None


def _read(path: Path) -> Instance | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        folders = {kind: tuple(map(Path, found)) for kind, found in data.get("folders", {}).items()}
        return Instance(str(data["url"]), str(data["token"]), int(data["pid"]), ModelFolders(**folders))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
