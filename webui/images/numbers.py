"""Numbers of pictures in a folder: taken by hidden files that only one process can create, and freed after a crash."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path

PICTURE_NUMBER = re.compile(r"(\d{5,})-")
_RESERVED_NUMBER = re.compile(r"\.(\d{5,})\.reserved")
_NAMELESS_SECONDS = 3600.0
"""A reservation gets its name as soon as it is created; one that has none after this time lost its process between."""


class Numbers:
    """Numbers 1, 2, 3 ... of one folder of pictures and of its twin in the bin.

    A number is taken by the file `.00001.reserved`, whose first line is `owner`: whose number it is, since several
    databases may share a folder.
    """

    def __init__(self, folder: Path, binned: Path, owner: str) -> None:
        self._folder = folder
        self._binned = binned
        self._owner = owner

    def take(self, count: int) -> list[int]:
        """Reserve as many numbers, on from the last one; all of them or, with an OSError, none."""
        taken: list[int] = []
        try:
            while len(taken) < count:
                number = max(self._used(), default=0)
                while len(taken) < count:
                    number += 1
                    if self._reserve(number):
                        taken.append(number)
                # Another instance may have saved a picture and freed its number between our look and our reservation.
                saved = set(_numbers(self._folder, PICTURE_NUMBER)) | set(_numbers(self._binned, PICTURE_NUMBER))
                for number in [n for n in taken if n in saved]:
                    taken.remove(number)
                    self._path(number).unlink(missing_ok=True)
        except OSError:
            for number in taken:
                self._path(number).unlink(missing_ok=True)
            raise
        return taken

    def sweep(self, keep: Collection[int]) -> int:
        """Free the owner's reserved numbers besides those in `keep`, and what was half written under them; how many."""
        freed = 0
        for number in list(_numbers(self._folder, _RESERVED_NUMBER)):
            if number in keep or not self._is_ours(self._path(number)):
                continue
            for part in self._folder.glob(f".{number:05d}-*.part"):
                part.unlink(missing_ok=True)
            self._path(number).unlink(missing_ok=True)
            freed += 1
        return freed

    def _used(self) -> Iterator[int]:
        yield from _numbers(self._folder, _RESERVED_NUMBER)
        yield from _numbers(self._folder, PICTURE_NUMBER)
        # A number in the bin stays taken, so that its picture can come back.
        yield from _numbers(self._binned, PICTURE_NUMBER)

    def _path(self, number: int) -> Path:
        return self._folder / f".{number:05d}.reserved"

    def _reserve(self, number: int) -> bool:
        path = self._path(number)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        try:
            os.write(file, f"{self._owner}\n".encode("ascii"))
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        os.close(file)
        return True

    def _is_ours(self, reservation: Path) -> bool:
        try:
            # A power cut may leave anything in it, which is then not ours.
            content = reservation.read_text(encoding="ascii", errors="replace").split()
            age = time.time() - reservation.stat().st_mtime
        except FileNotFoundError:
            return False
        return content[0] == self._owner if content else age > _NAMELESS_SECONDS


def reservation_of(picture: Path) -> Path:
    """The file that reserves the number of a picture's name."""
    number = PICTURE_NUMBER.match(picture.name)
    return picture.with_name(f".{number[1] if number else picture.name}.reserved")


def number_of(picture: str) -> int | None:
    """The number that a picture's file name begins with, None when it begins with none."""
    number = PICTURE_NUMBER.match(picture)
    return int(number[1]) if number else None


def _numbers(folder: Path, pattern: re.Pattern[str]) -> Iterator[int]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return
    yield from (int(found[1]) for name in names if (found := pattern.match(name)))
