"""Bring an extension from its source into a hidden folder, whole and within limits, and say what exactly came."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from webui.core.errors import DarkroomError, StorageProblem, first_line
from webui.engine.work.download.tokens import TokenFile
from webui.engine.work.download.web import Web, WebProblem
from webui.extension_life import git, pip
from webui.extension_life.content import LIMITS, BadContent, copy_folder, digest, unpack
from webui.extension_life.sources import Source
from webui.extension_life.task import Task
from webui.plugins.manifest import FILE, Manifest, read_manifest

_PIECE_BYTES = 2**20
_DEPTH = 3
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Staged:
    """An extension in a hidden folder. pin: the commit or version that came, or the archive's sha256; "" for a folder.
    sha256: of its content, the same wherever it came from.
    """

    folder: Path
    manifest: Manifest
    source: Source
    pin: str
    sha256: str


def fetch(source: Source, place: Path, task: Task, tokens: Path | None = None) -> Staged:
    """Fetch into the new folder `place`, whose folder "content" is the extension then.

    tokens: the file with tokens for servers. Raises DarkroomError with a sentence; `place` is gone then.
    """
    done = False
    try:
        with disk_sentences(place.parent):
            place.mkdir(parents=True)
            raw = place / "raw"
            pin = _bring(source, raw, task, tokens)
            found = _extension_in(raw)
            content = place / "content"
            found.rename(content)
            if raw.exists():
                shutil.rmtree(raw)
            manifest = _manifest(content)
            task.say(f"Checking {manifest.name}")
            staged = Staged(content, manifest, source, pin, digest(content))
        done = True
        return staged
    finally:
        if not done:
            shutil.rmtree(place, ignore_errors=True)


def check_sum(staged: Staged, sha256: str) -> None:
    """Refuse what is not what was announced: the sum may be the content's, or the archive's. "" takes anything."""
    if sha256 and sha256.casefold() not in (staged.sha256, staged.pin):
        raise BadContent(
            f"What came as '{staged.manifest.name}' is not what was announced: its sum (sha256) is {staged.sha256}.",
            remedies=("Trust no copy of it from there",),
        )


def _bring(source: Source, raw: Path, task: Task, tokens: Path | None) -> str:
    match source.kind:
        case "git":
            return git.fetch(source, raw, task)
        case "folder":
            task.say("Copying")
            copy_folder(Path(source.address), raw, check=task.check)
            return ""
        case "archive":
            return _archive(source, raw, task, tokens)
        case "package":
            return _package(source, raw, task)


def _archive(source: Source, raw: Path, task: Task, tokens: Path | None) -> str:
    path = Path(source.address)
    if source.address.startswith(("https://", "http://")):
        path = raw.with_name("archive")
        task.say("Downloading")
        _aside(partial(_download, source.address, path, task, tokens), task)
    task.say("Unpacking")
    unpack(path, raw, check=task.check)
    return _sum(path)


def _package(source: Source, raw: Path, task: Task) -> str:
    folder = raw.with_name("wheel")
    folder.mkdir()
    task.say(f"Downloading {source.address}")
    wheel = pip.download(source.address, source.wanted, folder, task)
    task.say("Unpacking")
    unpack(wheel, raw, check=task.check)
    # A wheel's file is called name-version-tags.whl.
    return wheel.name.split("-")[1]


def _download(address: str, path: Path, task: Task, tokens: Path | None) -> None:
    web = Web([address], TokenFile(tokens))
    try:
        with web.open("GET", address) as answer, path.open("xb") as file:
            web.check(answer)
            size = 0
            for piece in answer.response.iter_raw(_PIECE_BYTES):
                task.check()
                size += len(piece)
                if size > LIMITS.bytes:
                    raise WebProblem(f"More than {LIMITS.bytes // 2**20} MB came, which no extension needs.")
                file.write(piece)
    finally:
        web.close()


def _aside(do: Callable[[], None], task: Task) -> None:
    """Do something that may wait long for a server; who stops it does not wait with it. Raises what it raises."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            do()
        except BaseException as error:  # noqa: BLE001 it is raised by whoever waits
            errors.append(error)

    thread = threading.Thread(target=run, name="download", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK_SECONDS)
        task.check()
    if errors:
        raise errors[0]


def _extension_in(raw: Path) -> Path:
    """The one folder with an extension.toml: at the top, or a little below, as archives and packages have it."""
    if (raw / FILE).is_file():
        return raw
    found = [
        path.parent for path in sorted(raw.rglob(FILE)) if path.is_file() and len(path.relative_to(raw).parts) <= _DEPTH
    ]
    # What lies inside another is a test's or an example's.
    found = [folder for folder in found if not any(other in folder.parents for other in found)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(folder.name for folder in found[:5])
        raise BadContent(f"It holds several extensions: {names}.", remedies=("Give the folder or the archive of one",))
    raise BadContent(f"It holds no {FILE}, so it is no extension for Darkroom.")


def _manifest(folder: Path) -> Manifest:
    try:
        return read_manifest(folder)
    except DarkroomError as error:
        raise BadContent(error.detail, remedies=error.remedies) from error


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_sentences(folder: Path) -> Iterator[None]:
    """The system's own errors as sentences about this folder."""
    try:
        yield
    except OSError as error:
        raise StorageProblem(
            f"{folder} cannot be written: {first_line(error)}.",
            remedies=("Make room on the disk", "Give this user the right to write there"),
        ) from error
