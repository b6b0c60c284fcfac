"""The files with styles as they are on the disk now, and changes to them."""

from __future__ import annotations

import codecs
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from threading import Lock

from webui.core.errors import InvalidField, StorageProblem
from webui.core.prompt.styles import BOM, COLUMNS, MAX_BYTES, Style, StyleText, by_name
from webui.engine.cards.texts import decode


@dataclass(frozen=True, slots=True)
class Shelf:
    """The styles of one moment. files: names of the files, the first takes new styles; problems: sentences."""

    styles: tuple[Style, ...] = ()
    files: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def find(self, name: str) -> Style | None:
        """The style of this name, in capitals or not."""
        folded = name.strip().casefold()
        exact = (style for style in self.styles if style.name == name.strip())
        return next(exact, None) or next((style for style in self.styles if style.name.casefold() == folded), None)


@dataclass(slots=True)
class _Known:
    """A file as it was read last."""

    stamp: tuple[int, int]
    styles: list[Style] = field(default_factory=list)
    problem: str = ""


class StyleFiles:
    """A1111's styles.csv, or several files; the last of equal names counts. Methods may be called from any thread."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """paths: of files that need not be there yet; one whose name has * or ? stands for all that fit."""
        self._paths = tuple(paths)
        self._known: dict[Path, _Known] = {}
        self._lock = Lock()

    def now(self) -> Shelf:
        """What the files hold; those that changed are read again."""
        with self._lock:
            files = self._files()
            known = {path: self._read(path, name) for name, path in files.items()}
            self._known = known
            styles = by_name([one.styles for one in known.values()])
            problems = tuple(one.problem for one in known.values() if one.problem)
            return Shelf(tuple(styles.values()), tuple(files), problems)

    def save(self, style: Style) -> Style:
        """Write a style into its file: where none is named, the one that has it, else the first. Returns it as kept.

        Raises InvalidField for a file that there is not or that cannot be read, StorageProblem.
        """
        known = self.now().find(style.name)
        with self._lock:
            files = self._files()
            kept = known.file if known and known.name == style.name else next(iter(files))
            name = style.file or kept
            if name not in files:
                raise InvalidField(
                    f"There is no file '{name[:60]}' of styles; there is {', '.join(files)}.", field="file"
                )
            self._change(files[name], name, lambda text: text.put(style))
        return replace(style, file=name)

    def remove(self, name: str) -> bool:
        """Take a style out of every file that has it; whether one had."""
        with self._lock:
            found = [(path, file) for file, path in self._files().items() if path.is_file()]
            holding = [
                (path, file) for path, file in found if any(s.name == name for s in self._read(path, file).styles)
            ]
            for path, file in holding:
                self._change(path, file, lambda text: text.remove(name))
        return bool(holding)

    def _files(self) -> dict[str, Path]:
        """The files by the names that tell them apart."""
        paths: dict[Path, None] = {}
        for path in self._paths:
            if not any(sign in path.name for sign in "*?"):
                paths[path] = None
                continue
            found = sorted(one for one in path.parent.glob(path.name) if one.is_file())
            paths |= dict.fromkeys(found or ([path.with_name("styles.csv")] if not paths else []))
        named: dict[str, Path] = {}
        for path in paths:
            # Visitors see the names: no whole path is among them.
            longer = f"{path.parent.name}/{path.name}"
            names = chain((path.name, longer), (f"{longer} ({number})" for number in count(2)))
            named[next(name for name in names if name not in named)] = path
        return named

    def _read(self, path: Path, name: str) -> _Known:
        try:
            seen = path.stat()
            stamp = (seen.st_mtime_ns, seen.st_size)
            known = self._known.get(path)
            if known and known.stamp == stamp:
                return known
            return _Known(stamp, _loaded(path, name).styles)
        except FileNotFoundError:
            return _Known((0, 0))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return _Known((0, 0), problem=f"The styles in {name} cannot be read: {why[:200]}.")

    def _change(self, path: Path, name: str, change: Callable[[StyleText], object]) -> None:
        try:
            text = _loaded(path, name) if path.exists() else StyleText(",".join(COLUMNS) + "\n", name)
        except (OSError, ValueError) as error:
            raise InvalidField(
                f"{name} cannot be changed, since it cannot be read: {str(error)[:200]}.",
                field="file",
                remedies=("Correct the file, or move it away",),
            ) from error
        change(text)
        try:
            _replace(path, text.text.encode())
        except OSError as error:
            raise StorageProblem(
                f"{name} cannot be written: {error.strerror or error}.", remedies=("Give this user the right to",)
            ) from error


def _loaded(path: Path, name: str) -> StyleText:
    """Raises OSError, ValueError."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
    return StyleText(_text(path.read_bytes()), name)


def _text(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16, or, line by line, in Windows-1252 as an old Excel writes its rows.

    What is not in UTF-8 gets a mark at its start, by which Excel knows UTF-8 when it is written.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        whole, is_right = decode(data)
        lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
        return BOM + (whole if is_right else "\n".join(decode(line)[0] for line in lines))


def _replace(path: Path, data: bytes) -> None:
    """Write the file whole or not at all; what it was is kept beside it, as A1111 does."""
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.copy2(target, target.with_name(f"{target.name}.bak"))
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
