"""The embeddings that lie in the model folders: found, looked into, and as words for a model. Torch-free."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webui.core.errors import DarkroomError, ModelProblem
from webui.core.frozen import FrozenMap
from webui.engine.checkpoints.headers.base import unreadable
from webui.engine.checkpoints.headers.read import SUFFIXES
from webui.engine.checkpoints.scan import Scanner, Seen
from webui.engine.checkpoints.table import ModelTable
from webui.engine.checkpoints.watch import Watch
from webui.engine.checkpoints.words import Learned, Words
from webui.engine.embeddings import pictures
from webui.engine.embeddings.vectors import Vectors, chosen, read_bundled, read_vectors, title_of

log = logging.getLogger(__name__)

Encoders = tuple[tuple[str, int], ...]
"""A model's text encoders that take embeddings, in order: what files call the vectors of each, and how wide it is."""

# Another one when files are looked at otherwise.
_VERSION = "embeddings-1"
_LOOKED = "|embedding"
_PREVIEW = ".preview"
_ENDINGS = (*(ending for ending in SUFFIXES if ending != ".gguf"), *pictures.SUFFIXES)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file holds. name: the word that a picture calls it, else "". digest: sha256 of the file, in hex."""

    name: str
    size: int
    widths: FrozenMap[int]
    digest: str


@dataclass(frozen=True, slots=True)
class Embedding:
    """A file with an embedding. name: the word for it. problem: why it cannot be used, a sentence; then no facts."""

    name: str
    seen: Seen
    facts: Facts | None = None
    problem: str = ""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.seen.path

    @property
    def title(self) -> str:
        """The models that it is for, in words; "" where that is not known."""
        return title_of(self.facts.widths) if self.facts else ""

    @property
    def summary(self) -> str:
        """The models that it is for, and how many vectors it has; "" where that is not known."""
        if self.facts is None:
            return ""
        return f"{self.title}, {self.facts.size} {'vector' if self.facts.size == 1 else 'vectors'}"

    def fits(self, encoders: Encoders) -> bool:
        """Whether a model with these text encoders can use it."""
        return self.facts is not None and chosen(self.facts.widths, encoders) is not None

    @property
    def learned(self) -> Learned:
        """As a word that is counted; without vectors."""
        return Learned(self.name, self.facts.digest, self.facts.size) if self.facts else Learned(self.name, "", 1)


@dataclass(frozen=True, slots=True)
class Bundled:
    """An embedding in the file of a LoRA. lora: what that is called. key: what tells it from others of that name."""

    lora: str
    name: str
    vectors: Vectors
    key: str


@dataclass
class _State:
    """What was found at one time."""

    found: tuple[Embedding, ...] = ()
    words: dict[Encoders, tuple[Words, Words]] = field(default_factory=dict)


class EmbeddingCatalogue:
    """Embeddings by name; safe to use from several threads, and by several processes. It follows changes of folders.

    Files are small, so all are looked into; what they hold is remembered.
    """

    def __init__(self, folders: Sequence[Path], cache_dir: Path | None = None) -> None:
        """cache_dir: where it is remembered what files hold."""
        self._table = ModelTable(cache_dir)
        self._watch = Watch(Scanner(_ENDINGS), folders)
        self._lock = threading.Lock()
        self._state = _State()
        self._known: dict[Path, tuple[str, Embedding | None]] = {}
        self._looks: dict[str, tuple[str, str]] | None = None
        self._bundled: dict[Path, tuple[str, tuple[Bundled, ...]]] = {}

    def all(self) -> tuple[Embedding, ...]:
        """Every embedding, also those with a problem; of two with one name the first."""
        return self._fresh().found

    def refresh(self) -> None:
        """Look into the folders again at the next question."""
        with self._lock:
            self._watch.look_again()
            self._looks = None

    def find(self, name: str, digest: str = "") -> Embedding | None:
        """The one of this name and hash, or of this hash under another name; without a hash the one of this name."""
        named = [one for one in self.all() if one.name.casefold() == name.casefold()]
        if not digest:
            return next(iter(named), None)
        return next((one for one in (*named, *self.all()) if one.facts and one.facts.digest == digest), None)

    def words(self, encoders: Encoders) -> tuple[Words, Words]:
        """(the words that mean something to a model with these encoders, those of files that it cannot use)."""
        state = self._fresh()
        if encoders not in state.words:
            fitting = [one.learned for one in state.found if one.fits(encoders)]
            others = [one.learned for one in state.found if not one.fits(encoders)]
            state.words[encoders] = Words(fitting), Words(others)
        return state.words[encoders]

    def loaded(self, embedding: Embedding, encoders: Encoders) -> Learned:
        """The word with its vectors for a model that it fits. Raises ModelProblem."""
        found = _content(embedding.path)
        if found is None or embedding.facts is None or _digest(embedding.path) != embedding.facts.digest:
            raise ModelProblem(
                f"The file of the embedding {embedding.name} is changed at the moment.",
                field="prompt",
                remedies=("Submit the job again",),
            )
        return _with_vectors(embedding.learned, found[1], encoders)

    def bundled(self, path: Path, stamp: str, title: str) -> tuple[Bundled, ...]:
        """The embeddings in the file of a LoRA; none of one that cannot be read. title: what that is called."""
        with self._lock:
            known = self._bundled.get(path)
            if known is None or known[0] != stamp:
                try:
                    own = read_bundled(path).items()
                    found = tuple(Bundled(title, name, vectors, f"{path} {stamp} {name}") for name, vectors in own)
                except DarkroomError as error:
                    log.warning("Embeddings in %s are left out: %s", path, error.detail)
                    found = ()
                known = self._bundled[path] = stamp, found
            return known[1]

    def _fresh(self) -> _State:
        with self._lock:
            seen = self._watch.changed()
            if seen is not None:
                found = self._looked(seen)
                if found != self._state.found:
                    self._state = _State(found)
            return self._state

    def _looked(self, seen: Sequence[Seen]) -> tuple[Embedding, ...]:
        fresh: dict[str, tuple[str, str]] = {}
        found: dict[str, Embedding] = {}
        beside = {one.path.with_suffix("") for one in seen if one.path.suffix.lower() not in pictures.SUFFIXES}
        for one in seen:
            if one.is_folder or _is_preview(one.path, beside):
                continue
            known = self._known.get(one.path)
            if known is None or known[0] != one.stamp:
                known = self._known[one.path] = one.stamp, self._look(one, fresh)
            if known[1] is not None:
                found.setdefault(known[1].name, known[1])
        if fresh:
            self._table.keep_looks(_VERSION, fresh)
        return tuple(sorted(found.values(), key=lambda one: one.name.casefold()))

    def _look(self, seen: Seen, fresh: dict[str, tuple[str, str]]) -> Embedding | None:
        """What a file is; None for a picture without an embedding."""
        key = f"{seen.path}{_LOOKED}"
        remembered = self._remembered(key, seen.stamp)
        if remembered is None:
            try:
                content = _content(seen.path)
                facts = content and Facts(content[0], content[1].size, FrozenMap(content[1].widths), _digest(seen.path))
            except DarkroomError as error:
                return Embedding(seen.path.stem, seen, problem=error.detail)
            fresh[key] = seen.stamp, _to_json(facts)
        else:
            facts = remembered[0]
        return Embedding(facts.name or seen.path.stem, seen, facts) if facts else None

    def _remembered(self, key: str, stamp: str) -> tuple[Facts | None] | None:
        if self._looks is None:
            self._looks = self._table.looks(_VERSION)
        known, text = self._looks.get(key, ("", ""))
        try:
            return (_from_json(text),) if known == stamp else None
        except (ValueError, TypeError, AttributeError):
            log.warning("What was remembered of %s is damaged; it is looked at again.", key.removesuffix(_LOOKED))
            return None


def _is_preview(path: Path, beside: Collection[Path]) -> bool:
    """Whether a picture shows what another file is. beside: the paths of those, without their endings."""
    if path.suffix.lower() not in pictures.SUFFIXES:
        return False
    return path.stem.lower().endswith(_PREVIEW) or path.with_suffix("") in beside


def bundled_word(bundled: Bundled, encoders: Encoders) -> Learned | None:
    """The word with its vectors; None where they are for another model."""
    if chosen(bundled.vectors.widths, encoders) is None:
        return None
    return _with_vectors(Learned(bundled.name, bundled.key, bundled.vectors.size), bundled.vectors, encoders)


def _with_vectors(learned: Learned, vectors: Vectors, encoders: Encoders) -> Learned:
    names = chosen(vectors.widths, encoders) or ()
    return Learned(learned.name, learned.key, vectors.size, tuple(vectors.parts[name] for name in names))


def _content(path: Path) -> tuple[str, Vectors] | None:
    """(the name inside, "" where there is none; the vectors); None for a picture without. Raises ModelProblem."""
    if path.suffix.lower() in pictures.SUFFIXES:
        return pictures.embedding_in(path)
    return "", read_vectors(path)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def _to_json(facts: Facts | None) -> str:
    return json.dumps([facts.name, facts.size, facts.widths.to_json(), facts.digest] if facts else None)


def _from_json(text: str) -> Facts | None:
    data = json.loads(text)
    if data is None:
        return None
    name, size, widths, digest = data
    return Facts(str(name), int(size), FrozenMap({str(key): int(width) for key, width in widths.items()}), str(digest))
