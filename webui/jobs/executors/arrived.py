"""Whether a download that is begun again has come whole before, though nobody heard. Torch-free."""

from __future__ import annotations

import hashlib
from pathlib import Path

from webui.engine.work.base import Progress, ShouldStop, Steps
from webui.engine.work.download.fetch import FetchFiles
from webui.engine.work.download.found import RemoteFile

_PIECE_BYTES = 16 * 2**20


def is_fetched(files: FetchFiles, progress: Progress, should_stop: ShouldStop) -> bool:
    """Whether what lies in its place is what the server announces: by its sum, or by its size where it tells no sum.

    A file of which it tells neither is never taken for it. Raises Stopped.
    """
    found, target = files.found, files.target
    places = {target.joinpath(*file.name.split("/")) if found.is_folder else target: file for file in found.files}
    if not all(_may_be(place, file) for place, file in places.items()):
        return False
    total = sum(place.stat().st_size for place in places)
    steps = Steps(total, f"Checking {target.name[:60]}", progress, should_stop)
    return all(not file.sha256 or _sum(place, steps) == file.sha256 for place, file in places.items())


def _may_be(place: Path, file: RemoteFile) -> bool:
    if not place.is_file():
        return False
    # A size may be rounded, as CivitAI's are, where there is a sum to know the file by.
    return bool(file.sha256) or place.stat().st_size == file.size


def _sum(place: Path, steps: Steps) -> str:
    digest = hashlib.sha256()
    with place.open("rb") as opened:
        while piece := opened.read(_PIECE_BYTES):
            digest.update(piece)
            steps.advance(len(piece))
    return digest.hexdigest()
