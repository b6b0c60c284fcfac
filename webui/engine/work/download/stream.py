"""One file from a server into a file here: continued after a break, and never longer than announced. Torch-free."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from webui.engine.work.base import Steps
from webui.engine.work.download.found import RemoteFile
from webui.engine.work.download.web import Answer, Web, WebProblem, host_of
from webui.engine.work.files import check_room

# So often the connection may end without a byte more, and so long is waited, in seconds, after the first time.
_TRIES, _PAUSE = 5, 1.0
# CivitAI tells sizes in kilobytes.
_NEAR_BYTES = 1024
_LOOK_FOR_ROOM_BYTES = 256 * 2**20
_AGAIN = (429, 500, 502, 503, 504)


class Stream:
    """Fetches one file. What came before, by an earlier process perhaps, counts if the server still has the same."""

    def __init__(self, web: Web, file: RemoteFile, part: Path, note: Path, steps: Steps) -> None:
        """part: where it is written; note: what is known of what is there."""
        self._web, self._file, self._part, self._note, self._steps = web, file, part, note, steps
        self._told = 0

    def run(self) -> None:
        """Fetch all of it. Raises WebProblem; what came stays, unless the server's word cannot be taken."""
        tries, most = 0, self._have()
        while True:
            try:
                if self._once():
                    return
                problem = WebProblem(f"{host_of(self._file.url)} ended the connection too early.")
            except WebProblem as error:
                if type(error) is not WebProblem:
                    raise
                problem = error
            # What comes again after it had to be thrown away is no progress.
            tries = 0 if self._have() > most else tries + 1
            most = max(most, self._have())
            if tries >= _TRIES:
                raise WebProblem(
                    f"{problem.detail} {self._have():,} bytes have come.",
                    remedies=("Try again: it goes on from there",),
                ) from None
            for _ in range(int(_PAUSE * 2 ** max(0, tries - 1) * 10)):
                self._steps.check()
                time.sleep(0.1)

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _once(self) -> bool:
        """One request; whether the file is whole now."""
        have, note = self._have(), _read(self._note)
        headers = {}
        if have and self._file.size is not None and have == self._file.size and note.get("size") == str(have):
            return True
        condition = note.get("etag") or note.get("modified")
        # With a sum to check it by in the end, no condition is needed.
        if have and (condition or self._file.sha256):
            headers["Range"] = f"bytes={have}-"
            if condition:
                headers["If-Range"] = condition
        with self._web.open("GET", self._file.url, headers) as answer:
            if answer.status == 416:
                self._forget()
                return False
            if answer.status in _AGAIN:
                raise WebProblem(f"{host_of(answer.url)} is busy ({answer.status}).")
            self._web.check(answer)
            start, total = self._extent(answer, have)
            check_room(self._part.parent, (total or 0) - start)
            self._remember(answer, total)
            with self._part.open("r+b" if start else "wb") as file:
                file.truncate(start)
                file.seek(start)
                self._tell(start)
                got = self._copy(answer, file, start, total)
        return total is None or got == total

    def _extent(self, answer: Answer, have: int) -> tuple[int, int | None]:
        """(where what comes begins, how long the whole is). Raises _Lie."""
        host = host_of(answer.url)
        if answer.header("content-encoding") not in ("", "identity"):
            raise _Lie(f"{host} packed the file, which nobody asked for.")
        if answer.header("content-type").partition(";")[0].strip() == "text/html":
            raise _Lie(
                f"{host} sends a page to be read in place of the file.", remedies=("Log in there, or try again",)
            )
        length = answer.number("content-length")
        start, total = 0, length
        if answer.status == 206:
            places, _, whole = answer.header("content-range").removeprefix("bytes ").partition("/")
            first = places.partition("-")[0]
            total = int(whole) if whole.isascii() and whole.isdigit() else None
            start = int(first) if first.isascii() and first.isdigit() else -1
            if start != have:
                self._forget()
                raise WebProblem(f"{host} sends another part of the file than was asked for.")
        announced = self._file.size
        if announced is not None and total is not None and abs(total - announced) > _NEAR_BYTES:
            self._forget()
            raise _Lie(f"{host} announced {announced:,} bytes and sends {total:,}.", remedies=("Look at it again",))
        return start, total if total is not None else announced

    def _copy(self, answer: Answer, file: BinaryIO, start: int, total: int | None) -> int:
        have, next_look = start, start + _LOOK_FOR_ROOM_BYTES
        try:
            # In the pieces that come: larger ones would be lost when the connection ends.
            for piece in answer.response.iter_raw():
                have += len(piece)
                if total is not None and have > total:
                    raise _Lie(f"{host_of(answer.url)} announced {total:,} bytes and sends more.")
                file.write(piece)
                self._tell(have)
                if have > next_look:
                    check_room(self._part.parent, 0)
                    next_look = have + _LOOK_FOR_ROOM_BYTES
        except _Lie:
            file.truncate(0)
            raise
        finally:
            file.flush()
            os.fsync(file.fileno())
        return have

    def _tell(self, have: int) -> None:
        # After a break some may have to come again; progress does not go back for it.
        self._steps.advance(max(0, have - self._told))
        self._told = max(self._told, have)

    def _remember(self, answer: Answer, total: int | None) -> None:
        etag = answer.header("etag")
        # A weak one stays the same while bytes change.
        note = {"etag": "" if etag.startswith("W/") else etag, "modified": answer.header("last-modified")}
        self._note.write_text(json.dumps({**note, "size": str(total)}), "utf-8")

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class _Lie(WebProblem):
    """A server contradicts itself; to ask again would be of no use."""


def _read(path: Path) -> Mapping[str, str]:
    """What was noted of a file that came in part; nothing where that is damaged."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in data.items()} if isinstance(data, dict) else {}
