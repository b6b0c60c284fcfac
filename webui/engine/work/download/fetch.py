"""Fetch what a look has found: continued after a break, measured, summed and read before it is named. Torch-free."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from webui.core.errors import Conflict, InvalidField, ModelProblem
from webui.core.model_work import Download
from webui.engine.checkpoints.headers.read import SUFFIXES, read_header
from webui.engine.work.base import Progress, ShouldStop, Steps, Stopped
from webui.engine.work.download.found import Found, RemoteFile
from webui.engine.work.download.stream import Stream
from webui.engine.work.download.tokens import TokenFile
from webui.engine.work.download.web import Web, WebProblem
from webui.engine.work.files import check_room, check_target, hidden, put, put_folder, sentences, sweep

_PIECE_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class FetchFiles:
    """What is fetched, where it goes, and the file with the tokens, None for none."""

    found: Found
    target: Path
    tokens: Path | None = None


def fetch(request: Download, files: FetchFiles, progress: Progress, should_stop: ShouldStop) -> Path:
    """Fetch it and say where it is.

    When the connection ends or the work is stopped, what came is kept under a hidden name for a week, and the same
    request goes on from there if the server's file is still the same. Raises DarkroomError, or Stopped.
    """
    found, target = files.found, files.target
    if not found.is_folder and target.suffix.lower() not in SUFFIXES:
        raise InvalidField(f"{target.name[:80]} is no file of weights: they end in {', '.join(SUFFIXES)}.")
    check_target(target, overwrite=request.overwrite)
    key = hashlib.sha256("\n".join(f"{file.url} {file.sha256}" for file in found.files).encode()).hexdigest()[:16]
    web = Web(found.typed, TokenFile(files.tokens))
    steps = Steps(found.size or 0, f"Fetching {target.name[:60]}", progress, should_stop)
    try:
        with sentences(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            sweep(target.parent)
            with _alone(target, key):
                (_folder if found.is_folder else _file)(found, target, key, web, steps, overwrite=request.overwrite)
    except Stopped:
        raise Stopped(
            f"Fetching {target.name[:60]} was stopped; what came is kept for a week.", remedies=("Start it again",)
        ) from None
    finally:
        web.close()
    if request.name and request.name not in (target.name, target.stem):
        steps.say(f"It was saved as {target.name}: '{request.name[:60]}' cannot be a file's name everywhere.")
    return target


def _file(found: Found, target: Path, key: str, web: Web, steps: Steps, *, overwrite: bool) -> None:
    part = hidden(target, key)
    _get(found.files[0], target, part, web, steps)
    whole = part.with_name(f"{part.stem}{target.suffix.lower()}")
    part.replace(whole)
    try:
        _check_content(whole, target.name)
        put(whole, target, overwrite=overwrite)
    finally:
        whole.unlink(missing_ok=True)


def _folder(found: Found, target: Path, key: str, web: Web, steps: Steps, *, overwrite: bool) -> None:
    folder = hidden(target, key)
    if found.size is not None:
        have = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.exists() else 0
        check_room(target.parent, max(0, found.size - have))
    folder.mkdir(exist_ok=True)
    for number, file in enumerate(found.files):
        whole = folder.joinpath(*file.name.split("/"))
        if whole.exists():
            steps.advance(whole.stat().st_size)
            continue
        part = folder.with_name(f"{folder.stem}-{number}.part")
        _get(file, whole, part, web, steps)
        whole.parent.mkdir(exist_ok=True)
        part.replace(whole)
        if whole.suffix in SUFFIXES:
            try:
                _check_content(whole, file.name)
            except ModelProblem:
                whole.unlink()
                raise
    put_folder(folder, target, overwrite=overwrite)
    shutil.rmtree(folder, ignore_errors=True)


def _get(file: RemoteFile, target: Path, part: Path, web: Web, steps: Steps) -> None:
    """Fetch one file under a hidden name. Raises WebProblem where it is not what was announced."""
    note = part.with_name(f"{part.stem}.note")
    Stream(web, file, part, note, steps).run()
    note.unlink(missing_ok=True)
    if not file.sha256:
        return
    steps.words = f"Checking {target.name[:60]}"
    if _sha256(part, steps) != file.sha256:
        part.unlink()
        raise WebProblem(
            f"What came as {target.name} is not what the server announced: its sum (sha256) is another one.",
            remedies=("Try again", "Trust no copy of it from elsewhere"),
        )


def _check_content(path: Path, name: str) -> None:
    """Whether it is a file of weights at all. Raises ModelProblem."""
    try:
        read_header(path)
    except ModelProblem as error:
        said = error.detail.replace(path.name, "it")
        raise ModelProblem(f"What came as {name} cannot be used: {said}", remedies=error.remedies) from None


def _sha256(path: Path, steps: Steps) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            steps.check()
    return digest.hexdigest()


@contextmanager
def _alone(target: Path, key: str) -> Iterator[None]:
    """Nobody else fetches the same into this folder meanwhile. Raises Conflict."""
    path = hidden(target, key).with_suffix(".lock")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Conflict(f"{target.name} is being fetched already.", remedies=("Wait for it",)) from None
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()
