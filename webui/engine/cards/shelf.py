"""All models that can be shown with a card: what was found in the folders, and what lies beside each. Torch-free."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from webui.core.errors import DarkroomError, NotFound
from webui.core.registry import Registry
from webui.engine.adapters.catalogue import AdapterCatalogue, AdapterFile
from webui.engine.cards.beside import Beside, File, Folder, base_of
from webui.engine.cards.card import Card, from_json, to_json
from webui.engine.cards.read import read_card
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.completion import PartFile
from webui.engine.checkpoints.facts import facts_of_file
from webui.engine.checkpoints.scan import Scanner, Seen, first_of_names
from webui.engine.checkpoints.table import ModelTable
from webui.engine.embeddings.catalogue import Embedding

log = logging.getLogger(__name__)

CHECKPOINT, LORA, EMBEDDING = "checkpoint", "lora", "embedding"
KINDS = (CHECKPOINT, "vae", "text_encoder", LORA, EMBEDDING)
"""What may be listed; of the last two, files that prompts name."""

# So long files of LoRAs that were never looked into are looked into at a time; those left over come the next time.
_LEARN_SECONDS = 1.0

# As in the catalogue: how old an answer may be, and which share of the time may go into looking.
_LOOK_SECONDS, _LOOK_SHARE = 2.0, 20.0
_ID_DIGITS = 16

Thing = Checkpoint | PartFile | Seen


@dataclass(frozen=True, slots=True)
class Model:
    """One model with its card.

    id: the same as long as kind and name are. name: its path below the folder that was searched, with / between
    folders. title: what a request calls it. changed: Unix seconds. family_title: of a checkpoint its family's, of a
    LoRA the one that it is for, of another file what kind of network it is. words, owner_words: what a search finds,
    in small letters. twin: whether another one of its kind lies in its folder, whose name differs in the ending alone.
    namesake: whether one that is called so lies in another folder. hides: files that are not used, since this one has
    their name and comes first.
    """

    id: str
    kind: str
    name: str
    title: str
    path: Path
    size_bytes: int
    changed: float
    family: str
    family_title: str
    problem: str | None
    card: Card
    preview: File | None
    thing: Thing
    words: str
    owner_words: str
    twin: bool = False
    namesake: bool = False
    hides: tuple[Path, ...] = ()

    @property
    def label(self) -> str:
        """What it is called in a list: its name without folder and ending, with the ending where it has a twin."""
        return self.name.rpartition("/")[2] if self.twin else self.base

    @property
    def folder(self) -> str:
        """The folder that it lies in, below the one that was searched; "" for that itself."""
        return self.name.rpartition("/")[0]

    @property
    def usable(self) -> bool:
        """Whether something here can use it."""
        return self.problem is None

    @property
    def base(self) -> str:
        """What the names of the files beside it begin with."""
        return base_of(self.path)


class Shelf:
    """Models with their cards; safe to use from several threads. It follows changes of the folders."""

    def __init__(
        self,
        catalogue: Catalogue,
        registry: Registry,
        state: Path | None = None,
        others: Mapping[str, Sequence[Path]] | None = None,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """state: where it is remembered what cards say. others: folders with files of a kind that nothing reads yet.

        look_seconds: how old an answer may be before the files beside models are looked at again.
        """
        self._catalogue, self._registry = catalogue, registry
        self._others = dict(others or {})
        self._look_seconds = look_seconds
        self._table = ModelTable(state)
        self._scanner = Scanner()
        self._lock = threading.Lock()
        self._cards: dict[str, tuple[str, Card]] | None = None
        self._things: list[Thing] = []
        self._models: dict[str, Model] = {}
        self._loras: dict[Path, tuple[str, str, str | None]] = {}
        self._embeddings: dict[Path, Embedding] = {}
        self._next_look = 0.0

    def all(self) -> list[Model]:
        """Every model, kind by kind, by name."""
        with self._lock:
            return list(self._fresh().values())

    def get(self, model_id: str) -> Model:
        """The model of this id. Raises NotFound."""
        with self._lock:
            found = self._fresh().get(model_id)
        if found is None:
            raise NotFound("There is no such model.")
        return found

    def look_again(self) -> None:
        """Let the next answer be a fresh one."""
        with self._lock:
            self._next_look = 0.0

    def _fresh(self) -> dict[str, Model]:
        start = time.monotonic()
        things: list[Thing] = [*self._catalogue.all(), *self._catalogue.vaes(), *self._catalogue.text_encoders()]
        same = len(things) == sum(not isinstance(one, Seen) for one in self._things)
        same = same and all(one is other for one, other in zip(things, self._things, strict=False))
        if same and start < self._next_look:
            return self._models
        others: dict[Seen, tuple[str, tuple[Path, ...]]] = {}
        for kind, roots in self._others.items():
            seen = self._scanner.scan(roots)
            if kind == EMBEDDING:
                # Pictures may be embeddings too, which is not to be seen from outside.
                self._embeddings = {one.path: one for one in self._catalogue.embeddings.all()}
                scanned = {one.path for one in seen}
                seen += tuple(one.seen for path, one in self._embeddings.items() if path not in scanned)
            found = first_of_names(seen)
            others |= {one: (kind, found[one]) for one in sorted(found, key=lambda one: one.name.casefold())}
        self._things = things = [*things, *others]
        self._models = {model.id: model for model in _told_apart(list(self._made(things, others)))}
        took = time.monotonic() - start
        self._next_look = time.monotonic() + max(self._look_seconds, _LOOK_SHARE * took if self._look_seconds else 0)
        return self._models

    def _made(self, things: Iterable[Thing], others: Mapping[Seen, tuple[str, tuple[Path, ...]]]) -> Iterator[Model]:
        """others: kinds of files that the catalogue does not know, and what each of them hides."""
        listed, end = cache(Folder), time.monotonic() + _LEARN_SECONDS
        found: list[tuple[Thing, Folder, Beside]] = []
        for thing in things:
            folder = listed(thing.path.parent)
            found.append((thing, folder, folder.beside(_base(thing))))
        cards = self._read({str(thing.path): beside for thing, _, beside in found})
        for thing, folder, beside in found:
            own = (
                self._other(thing, *others[thing], folder, end) if isinstance(thing, Seen) else self._own(thing, folder)
            )
            yield _model(thing, own, folder.changed(thing.path.name), cards[str(thing.path)], beside.preview)

    def _read(self, wanted: Mapping[str, Beside]) -> dict[str, Card]:
        """The cards by path; those whose files have not changed since are remembered."""
        if self._cards is None:
            self._cards = dict(self._recalled())
        fresh: dict[str, tuple[str, str]] = {}
        answer: dict[str, Card] = {}
        for path, beside in wanted.items():
            stamp = beside.stamp
            known = self._cards.get(path)
            if known is None or known[0] != stamp:
                known = stamp, read_card(beside)
                if stamp.strip("/"):
                    fresh[path] = stamp, to_json(known[1])
            answer[path] = known[1]
            self._cards[path] = known
        gone = self._cards.keys() - wanted.keys()
        for path in gone:
            del self._cards[path]
        if fresh or gone:
            self._table.keep_cards(_version(), fresh, gone)
        return answer

    def _recalled(self) -> Iterator[tuple[str, tuple[str, Card]]]:
        for path, (stamp, text) in self._table.cards(_version()).items():
            try:
                yield path, (stamp, from_json(text))
            except (ValueError, KeyError, TypeError):
                log.warning("What was remembered of the card of %s is damaged; it is read again.", path)

    def _own(self, thing: Checkpoint | PartFile, folder: Folder) -> _Own:
        if isinstance(thing, Checkpoint):
            family = self._registry.families.get(thing.family) if thing.family in self._registry.families else None
            said = " ".join(filter(None, (family.title if family else "", thing.variant)))
            return _Own(CHECKPOINT, thing.title, thing.size_bytes, thing.family, said, thing.problem, thing.hides)
        facts = facts_of_file(thing, self._registry)
        size = folder.size(thing.path.name) or facts["size_bytes"]
        return _Own(thing.role, thing.name, size, "", facts["title"], thing.problem, thing.hides)

    def _other(self, seen: Seen, kind: str, hides: tuple[Path, ...], folder: Folder, end: float) -> _Own:
        size = folder.size(seen.path.name)
        look = {LORA: lambda: self._learnt(seen, end), EMBEDDING: lambda: self._embedding(seen)}.get(kind)
        said, problem = look() if look else ("", None)
        word = self._embeddings[seen.path].name if kind == EMBEDDING and seen.path in self._embeddings else seen.name
        return _Own(kind, word, size, "", said, problem, hides)

    def _embedding(self, seen: Seen) -> tuple[str, str | None]:
        """(the models that an embedding is for and how many vectors it has, why it cannot be used)."""
        found = self._embeddings.get(seen.path)
        if found:
            return found.summary, found.problem or None
        word = seen.path.stem.casefold()
        first = next((one for one in self._embeddings.values() if one.name.casefold() == word), None)
        return "", f"Another embedding of this name comes first: {first.seen.name}." if first else None

    def _learnt(self, seen: Seen, end: float) -> tuple[str, str | None]:
        """(the model that a LoRA is for, why it cannot be used); nothing of it while there was no time to look."""
        known = self._loras.get(seen.path)
        if known is None or known[0] != seen.stamp:
            if time.monotonic() > end:
                return "", None
            known = seen.stamp, *_look_at_lora(seen, self._catalogue.adapters)
            self._loras[seen.path] = known
        return known[1], known[2]


def _look_at_lora(seen: Seen, adapters: AdapterCatalogue) -> tuple[str, str | None]:
    if seen.is_folder:
        return "", "A prompt names LoRAs that are files, and this is a folder."
    try:
        facts = adapters.facts(AdapterFile(seen.name.removesuffix(seen.path.suffix), seen.path, seen.stamp))
    except DarkroomError as error:
        return "", error.detail
    except OSError as error:
        return "", f"It cannot be read: {error.strerror or error}."
    return facts.title, None


@dataclass(frozen=True, slots=True)
class _Own:
    """What the file of a model itself says."""

    kind: str
    title: str
    size: int
    family: str
    said: str
    problem: str | None
    hides: tuple[Path, ...]


def _model(thing: Thing, own: _Own, changed: float, card: Card, preview: File | None) -> Model:
    if isinstance(thing, Checkpoint) and not card.description:
        card = replace(card, description=thing.card.get("description", ""))
    words = [thing.name, own.title, own.said, card.description, card.base_model, card.sd_version, *card.trigger_words]
    origin = card.civitai
    ids = [str(number) for number in (origin.model_id, origin.version_id) if number]
    problems = [*filter(None, [own.problem]), *card.problems]
    private = [card.notes, origin.model_name, origin.version_name, *ids, *problems, *map(str, own.hides)]
    public = "\n".join(words).casefold()
    return Model(
        hashlib.sha256(f"{own.kind}/{thing.name}".encode("utf-8", "replace")).hexdigest()[:_ID_DIGITS],
        own.kind,
        thing.name,
        own.title,
        thing.path,
        own.size,
        changed,
        own.family,
        own.said,
        own.problem,
        card,
        preview,
        thing,
        public,
        "\n".join((public, *private)).casefold(),
        hides=own.hides,
    )


def _told_apart(models: Sequence[Model]) -> Iterator[Model]:
    """The same, with those marked that have a twin, or a namesake in another folder."""
    names = [(model.kind, _base(model.thing).casefold()) for model in models]
    twins = Counter((*name, model.folder) for name, model in zip(names, models, strict=True))
    # Each folder once, so that twins are no namesakes.
    folders = Counter((kind, name) for kind, name, _ in twins)
    for name, model in zip(names, models, strict=True):
        twin, namesake = twins[*name, model.folder] > 1, folders[name] > 1
        yield replace(model, twin=twin, namesake=namesake) if twin or namesake else model


def _base(thing: Thing) -> str:
    if isinstance(thing, PartFile):
        return base_of(thing.path)
    is_folder = thing.kind == "diffusers" if isinstance(thing, Checkpoint) else thing.is_folder
    return thing.path.name if is_folder else thing.path.stem


@cache
def _version() -> str:
    """A digest of the code that reads cards: what another one has read does not count."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
