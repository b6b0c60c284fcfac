"""The checkpoints that lie in the model folders: found, identified, completed, named, hashed. Torch-free."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from webui.core.errors import ModelProblem, UnknownName
from webui.core.model_folders import ModelFolders
from webui.engine.adapters.catalogue import AdapterCatalogue
from webui.engine.checkpoints.aliases import SHORT_HASH, Aliases, name_of
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.completion import AUTOMATIC, Completion, Offers, PartFile, find_part
from webui.engine.checkpoints.describe import Describer, is_part_beside, offers
from webui.engine.checkpoints.hashes import HashCache
from webui.engine.checkpoints.identify import Kinds
from webui.engine.checkpoints.looks import Looks
from webui.engine.checkpoints.scan import Scanner, Seen
from webui.engine.checkpoints.table import ModelTable
from webui.engine.embeddings.catalogue import EmbeddingCatalogue

__all__ = ["Catalogue", "Checkpoint", "name_of"]

log = logging.getLogger(__name__)

# The folders are looked through at most so often, and never for more than a twentieth of the time.
_LOOK_SECONDS, _LOOK_SHARE = 2.0, 20.0
# Hashes that are computed in the background are shown after so long.
_SHOW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _State:
    """What was found at one time; not `complete` while there are files that were not looked into yet."""

    found: tuple[Checkpoint, ...] = ()
    aliases: Aliases[Checkpoint] = field(default_factory=lambda: Aliases(()))
    offers: Offers = field(default_factory=Offers)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A file or folder that may not have been looked into yet: it has a name, and no hash."""

    seen: Seen
    hash: str = ""
    legacy_hash: str = ""

    @property
    def name(self) -> str:
        return self.seen.name

    @property
    def kind(self) -> str:
        return "diffusers" if self.seen.is_folder else ""


class Catalogue:
    """Checkpoints by title, name or hash; safe to use from several threads. It follows changes of the folders."""

    def __init__(
        self,
        folders: ModelFolders | Sequence[Path],
        cache_dir: Path | None = None,
        *,
        kinds: Kinds | None = None,
        hash_large: bool = True,
        look_seconds: float = _LOOK_SECONDS,
        patience: float | None = None,
        known_only: bool = False,
    ) -> None:
        """folders: where models lie; a plain list is of folders with checkpoints. cache_dir: where it is remembered
        what they are. hash_large: compute the hashes of large models too, in the background.

        kinds: the rows by which checkpoints are known; None means the built-in ones. look_seconds: how old an answer
        may be before the folders are looked through again; a slow disk makes it longer, and 0 looks each time.
        patience: seconds to look into new files for; the rest is looked into behind, and the list grows. None waits.
        known_only: another process on this cache_dir looks into files and hashes them; only what it found is listed,
        so that no start waits, until `refresh` is asked for the rest.
        """
        self._folders = folders if isinstance(folders, ModelFolders) else ModelFolders(tuple(folders))
        self.adapters = AdapterCatalogue(self._folders.loras, cache_dir)
        self.embeddings = EmbeddingCatalogue(self._folders.embeddings, cache_dir)
        self.kinds = kinds or Kinds.built_in()
        self._families = {family.name: family for family in self.kinds.families}
        self._hash_large, self._look_seconds = hash_large and not known_only, look_seconds
        self._known_only = known_only
        table = ModelTable(cache_dir)
        self._hashes = HashCache(table)
        self._looks = Looks(table, self.kinds)
        self._scanner = Scanner()
        models_dir = self.folder.parent if self._folders.checkpoints else None
        self._describer = Describer(self.kinds, self._hashes, models_dir, hash_small=not known_only)
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._seen: tuple[tuple[Seen, ...], ...] = ()
        self._next_look = 0.0
        self._patience, self._behind = patience, False
        self._hashing = False
        self._state = _State()
        self.take_up()

    @property
    def folder(self) -> Path:
        """The folder that is searched first: a person's own checkpoints go there."""
        return self._folders.checkpoints[0]

    def refresh(self) -> None:
        """Look into the folders again, and into the new files there."""
        self.adapters.refresh()
        self.embeddings.refresh()
        with self._looking:
            self._hashes.reload()
            self._look(forced=True, thorough=True)

    def take_up(self) -> None:
        """Look into the folders again; one that lists what is known takes up what the other process has found."""
        with self._looking:
            self._hashes.reload()
            self._look(forced=True)

    def as_now(self, checkpoint: Checkpoint, part_names: Iterable[str] = ()) -> Checkpoint:
        """The same as its files are at this moment, however long ago the last look was. Raises UnknownName.

        So who asks for one by name gets what lies there now, and waits for no walk through all folders. part_names: of
        further files of parts that will be asked for; they are looked into too.
        """
        offers = self._fresh().offers
        named = (find_part(name, files) for name in part_names for files in (offers.vaes, offers.text_encoders))
        files = {file for part in checkpoint.parts.values() for file in part.files}
        files |= {checkpoint.path, *(file.path for file in named if file)}
        # A network's file may lie in its own folder, inside the one that was seen.
        places = files | {folder for file in files for folder in list(file.parents)[:2]}
        mine = [one for kind in self._seen for one in kind if one.path in places]
        if not any(map(self._scanner.has_changed, mine)):
            return checkpoint
        with self._looking:
            self._hashes.reload()
            self._look(forced=True, first={one.path for one in mine})
        return self.find(checkpoint.name)

    def all(self) -> list[Checkpoint]:
        """Every checkpoint by name, also those with a problem."""
        return list(self._fresh().found)

    def find(self, title: str) -> Checkpoint:
        """The checkpoint with this title, name, file name or hash (ten digits, or A1111's old eight), usable or not.

        Raises UnknownName when there is none.
        """
        state = self._fresh()
        checkpoint = state.aliases.find(title)
        if checkpoint is None and not (state.complete or self._known_only):
            checkpoint = self._find_ahead(title)
        if checkpoint is None:
            raise UnknownName("checkpoint", title, [c.name for c in state.found if not c.problem], field="checkpoint")
        return checkpoint

    def get(self, title: str) -> Checkpoint:
        """The same. Raises ModelProblem too, when it can't be used or has vanished since."""
        return self.find(title).usable()

    def default(self, preferred: str = "") -> Checkpoint:
        """The preferred checkpoint if it is there and works, else the first that works. Raises ModelProblem."""
        state = self._fresh()
        found = state.aliases.find(preferred) if preferred else None
        if found is None or found.problem:
            found = next((c for c in state.found if c.problem is None), None)
        if found is None:
            raise ModelProblem(
                "There is no checkpoint that can be used.",
                field="checkpoint",
                remedies=("Put a model into models/Stable-diffusion and refresh the list",),
            )
        return found

    def vaes(self) -> list[PartFile]:
        """The VAEs in files of their own, by name."""
        return list(self._fresh().offers.vaes)

    def text_encoders(self) -> list[PartFile]:
        """The text encoders in files of their own, by name."""
        return list(self._fresh().offers.text_encoders)

    def with_parts(self, checkpoint: Checkpoint, vae: str = AUTOMATIC, text_encoders: Sequence[str] = ()) -> Checkpoint:
        """The checkpoint with a person's choice of parts; it may be one that lacks some (see `find`).

        vae: a name of `vaes`, "Automatic", or "None" for the one inside. text_encoders: names of `text_encoders`; the
        places that they leave are filled as ever. Raises UnknownName, and ModelProblem where a part does not fit.
        """
        family = self._families.get(checkpoint.family)
        if family is None:
            return checkpoint
        completion = Completion(self.kinds, self._fresh().offers)
        whole = completion.chosen(family, checkpoint.inside, checkpoint.path, vae, text_encoders)
        lacked = completion.lacking(family, checkpoint.missing)
        other = None if checkpoint.problem == lacked else checkpoint.problem
        return checkpoint.made_of(whole, other or completion.lacking(family, whole.missing))

    def hashed(self, checkpoint: Checkpoint) -> Checkpoint:
        """The same with its hash, read now when the background has not come to it (a second for each GB or so)."""
        if checkpoint.hash or not checkpoint.own:
            return checkpoint
        hashed = replace(checkpoint, hash=self.hash_now(checkpoint))
        self._show_hashes({checkpoint.path: hashed.hash})
        return hashed

    def hash_now(self, checkpoint: Checkpoint) -> str:
        """Its hash as its files are at this moment; those that were replaced since the last look are read for it."""
        if not checkpoint.own:
            return checkpoint.hash
        return self._hash(checkpoint.own, f"{checkpoint.name} cannot be read")

    def hash_of_parts(self, checkpoint: Checkpoint, role: str, *, read: bool = True) -> str:
        """sha256 of the files of its parts of this role ("vae", "text_encoder") that are not its own; "" without any.

        read: read files whose hash is not known; without it the answer is "" then.
        """
        own = {name for name, part in checkpoint.parts.items() if part.role == role and name in checkpoint.completed}
        files = list(dict.fromkeys(file for name in own for file in checkpoint.parts[name].files))
        return self._hash(files, f"A file of {checkpoint.name} cannot be read", read=read) if files else ""

    def vae_with_hash(self, digits: str) -> PartFile | None:
        """The VAE in a file of its own whose sha256 begins with these digits, ten at least, where its hash is known."""
        wanted = digits.casefold()
        if len(wanted) < SHORT_HASH:
            return None
        return next((file for file in self.vaes() if self._known_hash(_files(file)).startswith(wanted)), None)

    def _hash(self, files: Sequence[Path], trouble: str, *, read: bool = True) -> str:
        try:
            known = self._hashes.known(files)
            if known is None:
                # Another process may have computed it meanwhile.
                self._hashes.reload()
                known = self._hashes.known(files)
            if known is None and read:
                known = self._hashes.compute(files)
                self._hashes.keep()
        except OSError as error:
            raise ModelProblem(f"{trouble}: {error.strerror or error}.", field="checkpoint") from error
        return known or ""

    def _find_ahead(self, title: str) -> Checkpoint | None:
        """The one of this name, looked into before the files that wait for the look behind; a hash finds none."""
        with self._looking:
            models, _, _, mixed = self._seen
            waiting = Aliases(_Waiting(one) for one in (*models, *mixed)).find(title)
            if waiting is not None:
                self._look(forced=True, first={waiting.seen.path})
            return self._state.aliases.find(title)

    def _fresh(self) -> _State:
        """What is in the folders, looked at anew when the last look is long ago."""
        if time.monotonic() >= self._next_look and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        return self._state

    def _look(self, forced: bool = False, thorough: bool = False, first: Collection[Path] = ()) -> None:
        """first: what is looked into however little time there is."""
        start = time.monotonic()
        folders = self._folders
        kinds = folders.checkpoints, folders.vae, folders.text_encoders, folders.mixed
        seen = tuple(self._scanner.scan(roots) for roots in kinds)
        took = time.monotonic() - start
        if first and not self._known_only:
            self._looks.of(one for kind in seen for one in kind if one.path in first)
        if forced or seen != self._seen:
            state = self._read(*seen, known_only=self._known_only and not thorough)
            with self._lock:
                self._seen, self._state = seen, state
            self._hash_waiting()
            if not (state.complete or self._behind or self._known_only):
                self._behind = True
                threading.Thread(target=self._look_on, name="look into models", daemon=True).start()
        pause = max(self._look_seconds, _LOOK_SHARE * took) if self._look_seconds else 0.0
        self._next_look = time.monotonic() + pause

    def _look_on(self) -> None:
        """Look into what is left, a few seconds at a time."""
        while self._behind:
            with self._looking:
                self._look(forced=True)
                self._behind = not self._state.complete

    def _read(
        self,
        checkpoints: Sequence[Seen],
        vaes: Sequence[Seen],
        encoders: Sequence[Seen],
        mixed: Sequence[Seen],
        *,
        known_only: bool,
    ) -> _State:
        everything = checkpoints, vaes, encoders, mixed
        each = [one for kind in everything for one in kind]
        looks = self._looks.known(each) if known_only else self._looks.of(each, self._patience)
        complete = all(one.path in looks for one in each)
        checkpoints, vaes, encoders, mixed = ([one for one in kind if one.path in looks] for kind in everything)
        beside = [one for one in checkpoints if is_part_beside(one)]
        apart = [one for one in mixed if not looks[one.path].what.family]
        there = offers([*vaes, *beside], encoders, apart, looks)
        models = [one for one in checkpoints if not is_part_beside(one)]
        models += [one for one in mixed if looks[one.path].what.family]
        found = self._describer.checkpoints(models, looks, Completion(self.kinds, there))
        return _State(tuple(found), Aliases(found), there, complete)

    def _hash_waiting(self) -> None:
        """Compute the hashes that are not known yet, in a thread of its own; one at a time."""
        with self._lock:
            if self._hashing or not self._hash_large or self._unhashed(set()) is None:
                return
            self._hashing = True
        threading.Thread(target=self._hash_all, name="hash checkpoints", daemon=True).start()

    def _unhashed(self, tried: set[Path]) -> tuple[Path, Sequence[Path]] | None:
        """A checkpoint, or else a file of a part, whose hash is not known: its path, and the files to read."""
        state = self._state
        models = ((c.path, c.own) for c in state.found if c.own and not c.hash)
        offered = chain(state.offers.vaes, state.offers.text_encoders)
        parts = ((file.path, _files(file)) for file in offered if file.path not in tried)
        unhashed = ((path, files) for path, files in parts if files and not self._known_hash(files))
        return next((one for one in chain(models, unhashed) if one[0] not in tried), None)

    def _known_hash(self, files: Sequence[Path]) -> str:
        """Their hash where it is known, else ""."""
        try:
            return self._hashes.known(files) or ""
        except OSError:
            return ""

    def _hash_all(self) -> None:
        tried: set[Path] = set()
        digests: dict[Path, str] = {}
        shown = time.monotonic()
        while True:
            with self._lock:
                waiting = self._unhashed(tried)
                # Said under the lock: who brings new ones afterwards starts another thread.
                self._hashing = waiting is not None
            if waiting is None or time.monotonic() - shown > _SHOW_SECONDS:
                self._hashes.keep()
                self._show_hashes(digests)
                digests, shown = {}, time.monotonic()
            if waiting is None:
                return
            path, files = waiting
            tried.add(path)
            try:
                digests[path] = self._hashes.compute(files)
            except OSError as error:
                log.warning("%s could not be hashed: %s.", path, error)

    def _show_hashes(self, digests: Mapping[Path, str]) -> None:
        with self._lock:
            found = tuple(self._with_hash(c) if c.path in digests and not c.hash else c for c in self._state.found)
            self._state = replace(self._state, found=found, aliases=Aliases(found))

    def _with_hash(self, checkpoint: Checkpoint) -> Checkpoint:
        """The same with its hash, unless its files were replaced after that was computed."""
        try:
            return replace(checkpoint, hash=self._hashes.known(checkpoint.own) or "")
        except OSError:
            return checkpoint


def _files(file: PartFile) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(one for part in file.parts for one in part.files))
