"""The adapters that lie in the model folders: found by name, by what training called them, by hash. Torch-free."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.core.errors import DarkroomError, nearest
from webui.core.prompt.adapters import DIGITS
from webui.engine.adapters.facts import Facts, facts_of, from_json, tensor_hash, to_json
from webui.engine.checkpoints.headers.read import SUFFIXES
from webui.engine.checkpoints.scan import Scanner, Seen
from webui.engine.checkpoints.table import ModelTable
from webui.engine.checkpoints.watch import Watch

log = logging.getLogger(__name__)

# Another one when facts are told otherwise, or hashes computed otherwise.
_VERSION = "adapters-3"
# Behind a path in the table, where checkpoints have rows of their own for the same files.
_HASHED, _LOOKED, _BROKEN = "|tensors", "|adapter", "|broken adapter"
_BROKEN_VERSION = "adapters-broken-1"


@dataclass(frozen=True, slots=True)
class AdapterFile:
    """A file that should be an adapter. name: its path below the folder that was searched, without its ending."""

    name: str
    path: Path
    stamp: str

    @property
    def title(self) -> str:
        """What A1111 calls it: the file's name without folder and ending."""
        return self.name.rpartition("/")[2]


class AdapterCatalogue:
    """Adapters by name; safe to use from several threads, and by several processes. It follows changes of the folders.

    Names need no file to be opened; only one that is no file's makes it look into headers, and what those say is
    remembered.
    """

    def __init__(self, folders: Sequence[Path], cache_dir: Path | None = None) -> None:
        """cache_dir: where it is remembered what files say and what their hashes are."""
        self._table = ModelTable(cache_dir)
        self._watch = Watch(Scanner(), folders)
        self._lock = threading.Lock()
        self._files: tuple[AdapterFile, ...] = ()
        self._facts: dict[Path, tuple[str, Facts | DarkroomError]] = {}
        self._hashes: dict[tuple[str, int, int], str] | None = None
        self._looks: dict[str, tuple[str, str]] | None = None

    def all(self) -> tuple[AdapterFile, ...]:
        """Every file by name."""
        with self._lock:
            seen = self._watch.changed()
            if seen is not None:
                self._files = tuple(sorted(map(_file, filter(_is_adapter, seen)), key=lambda one: one.name.casefold()))
            return self._files

    def refresh(self) -> None:
        """Look into the folders again at the next question."""
        with self._lock:
            self._watch.look_again()
            self._hashes = self._looks = None

    def find(self, name: str) -> AdapterFile | None:
        """The file with this name, with or without folder and ending; else the one that its training called so, or
        with this hash (twelve digits or more), where that is known. Without regard to case."""
        wanted = name.strip().replace("\\", "/").casefold()
        files = self.all() if wanted else ()
        for of in (_whole, _last):
            for one in files:
                if wanted in of(one):
                    return one
        self._learn(files)
        return next((one for one in files if self._alias(one) == wanted), None) or self._with_hash(wanted, files)

    def like(self, name: str) -> str | None:
        """The name that is most like this one; None when none is near."""
        return nearest(name, [one.title for one in self.all()])

    def facts(self, file: AdapterFile) -> Facts:
        """What the file says of itself. Raises ModelProblem."""
        self._learn((file,))
        found = self._facts[file.path][1]
        if isinstance(found, DarkroomError):
            raise found
        return found

    def broken(self, file: AdapterFile) -> str:
        """Why its weights cannot be used, where some process has read them and found it out; "" for all others."""
        stamp, why = self._table.looks(_BROKEN_VERSION).get(f"{file.path}{_BROKEN}", ("", ""))
        return why if stamp == file.stamp else ""

    def keep_broken(self, file: AdapterFile, why: str) -> None:
        """Remember, for all processes, why the weights of a file as it is now cannot be used."""
        self._table.keep_looks(_BROKEN_VERSION, {f"{file.path}{_BROKEN}": (file.stamp, why)})

    def hash(self, file: AdapterFile) -> str:
        """A1111's hash of the file's tensors, sha256 in hex; reads it where that is not known. Raises ModelProblem."""
        found = self._known_hash(file) or self._found_elsewhere(file)
        if found is None:
            key, found = _key(file.path), tensor_hash(file.path)
            with self._lock:
                self._recalled()[key] = found
            self._table.keep_hashes({key: found})
        return found

    def is_hashed(self, file: AdapterFile) -> bool:
        """Whether its hash is known without reading it."""
        return bool(self._known_hash(file))

    def says_hash(self, file: AdapterFile, digits: str) -> bool:
        """Whether its training wrote a hash into it that begins so, which need not be its own."""
        self._learn((file,))
        found = self._facts[file.path][1]
        return isinstance(found, Facts) and found.said_hash.startswith(digits)

    def with_hash(self, digits: str, name: str = "") -> AdapterFile | None:
        """The file with this hash, or one that begins with these digits; files whose hash is unknown are not read.

        name: which one of several, whose headers may differ.
        """
        named = self.find(name)
        return self._with_hash(digits.casefold(), (*((named,) if named else ()), *self.all()))

    def _with_hash(self, digits: str, files: Iterable[AdapterFile]) -> AdapterFile | None:
        if not is_hash(digits):
            return None
        return next((one for one in files if (self._known_hash(one) or "").startswith(digits)), None)

    def _known_hash(self, file: AdapterFile) -> str | None:
        try:
            key = _key(file.path)
        except OSError:
            return None
        with self._lock:
            return self._recalled().get(key)

    def _found_elsewhere(self, file: AdapterFile) -> str | None:
        """The hash that another process has put into the table since this one looked."""
        fresh = {key: found for key, found in self._table.hashes().items() if key[0].endswith(_HASHED)}
        with self._lock:
            self._recalled().update(fresh)
        return self._known_hash(file)

    def _recalled(self) -> dict[tuple[str, int, int], str]:
        if self._hashes is None:
            self._hashes = {key: found for key, found in self._table.hashes().items() if key[0].endswith(_HASHED)}
        return self._hashes

    def _alias(self, file: AdapterFile) -> str:
        found = self._facts[file.path][1]
        return found.alias.casefold() if isinstance(found, Facts) else ""

    def _learn(self, files: Iterable[AdapterFile]) -> None:
        """Look into those files that are not known as they are now; what they say is remembered."""
        fresh: dict[str, tuple[str, str]] = {}
        with self._lock:
            for file in files:
                known = self._facts.get(file.path)
                if known is not None and known[0] == file.stamp:
                    continue
                facts = self._remembered(file)
                if facts is None:
                    try:
                        facts = facts_of(file.path)
                        fresh[f"{file.path}{_LOOKED}"] = file.stamp, to_json(facts)
                    except DarkroomError as error:
                        facts = error
                self._facts[file.path] = file.stamp, facts
        if fresh:
            self._table.keep_looks(_VERSION, fresh)

    def _remembered(self, file: AdapterFile) -> Facts | DarkroomError | None:
        if self._looks is None:
            self._looks = self._table.looks(_VERSION)
        stamp, text = self._looks.get(f"{file.path}{_LOOKED}", ("", ""))
        try:
            return from_json(text) if stamp == file.stamp else None
        except (ValueError, TypeError):
            log.warning("What was remembered of %s is damaged; it is looked at again.", file.path)
            return None


def is_hash(digits: str) -> bool:
    """Whether these are the first digits of a hash, enough to find a file by, in small letters."""
    return len(digits) >= DIGITS and set(digits) <= set("0123456789abcdef")


def _is_adapter(seen: Seen) -> bool:
    return not seen.is_folder and seen.path.suffix.lower() in SUFFIXES and seen.path.suffix.lower() != ".gguf"


def _file(seen: Seen) -> AdapterFile:
    return AdapterFile(seen.name.removesuffix(seen.path.suffix), seen.path, seen.stamp)


def _whole(file: AdapterFile) -> Iterator[str]:
    yield file.name.casefold()
    yield f"{file.name}{file.path.suffix}".casefold()


def _last(file: AdapterFile) -> Iterator[str]:
    yield file.title.casefold()
    yield file.path.name.casefold()


def _key(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return f"{path}{_HASHED}", stat.st_size, stat.st_mtime_ns
