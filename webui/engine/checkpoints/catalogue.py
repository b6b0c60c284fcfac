"""The checkpoints that lie in the model folders: found, identified, named, hashed. Torch-free."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from webui.core.errors import ModelProblem, UnknownName
from webui.core.registry import Family
from webui.engine.checkpoints.hashes import HashCache
from webui.engine.checkpoints.identify import identify, read_json
from webui.plugins.builtin.engine import families as built_in_families

log = logging.getLogger(__name__)

SIDECAR = "darkroom.json"
"""A file in a checkpoint's folder with its own defaults: native_size, steps, cfg_scale, examples, about."""

# Hashed while the list is made; larger ones in the background, so that no start waits for gigabytes.
_SMALL_BYTES = 64 * 2**20
_SUFFIXES = (".safetensors", ".ckpt")
_HASH_END = re.compile(r"\s*\[([0-9a-f]{6,64})\]$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint. `hash` is sha256 in hex, "" until it is computed; `problem` says why it cannot be used."""

    name: str
    path: Path
    family: str
    kind: Literal["diffusers", "single"] = "diffusers"
    hash: str = ""
    variant: str | None = None
    weights: tuple[Path, ...] = ()
    size_bytes: int = 0
    defaults: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None

    @property
    def title(self) -> str:
        """A1111's title: the name, and the first ten digits of the hash when it is known."""
        return f"{self.name} [{self.hash[:10]}]" if self.hash else self.name


class Catalogue:
    """Checkpoints by title, name or hash; safe to use from several threads."""

    def __init__(
        self,
        folders: Sequence[Path],
        cache_dir: Path | None = None,
        *,
        families: Iterable[Family] | None = None,
        hash_large: bool = True,
    ) -> None:
        """cache_dir: where hashes are kept. hash_large: compute those of large models too, in the background.

        families: the registry's rows, which recognise the checkpoints; None means the built-in ones.
        """
        self._folders = tuple(folders)
        self._families = tuple(built_in_families() if families is None else families)
        self._hash_large = hash_large
        self._hashes = HashCache(cache_dir)
        self._lock = threading.Lock()
        self._found: dict[str, Checkpoint] = {}
        self.refresh()

    @property
    def folder(self) -> Path:
        """The folder that is searched first: a person's own checkpoints go there."""
        return self._folders[0]

    def refresh(self) -> None:
        """Look into the folders again."""
        self._hashes.reload()
        found: dict[str, Checkpoint] = {}
        for checkpoint in self._scan():
            # The first folder wins: a person's own comes before the program's.
            found.setdefault(checkpoint.name, checkpoint)
        with self._lock:
            self._found = found
        waiting = [c for c in found.values() if c.weights and not c.hash]
        if waiting and self._hash_large:
            threading.Thread(target=self._hash_all, args=(waiting,), name="hash checkpoints", daemon=True).start()

    def all(self) -> list[Checkpoint]:
        """Every checkpoint by name, also those with a problem."""
        with self._lock:
            return sorted(self._found.values(), key=lambda c: c.name.casefold())

    def get(self, title: str) -> Checkpoint:
        """The checkpoint with this title, name, file name or hash (ten digits or more).

        Raises UnknownName when there is none, ModelProblem when it can't be used or has vanished since.
        """
        folded = name_of(title).casefold()
        everything = self.all()
        for checkpoint in everything:
            names = (checkpoint.name.casefold(), checkpoint.path.name.casefold(), checkpoint.path.stem.casefold())
            if folded in names or (len(title) >= 10 and checkpoint.hash.startswith(title.casefold())):
                return _usable(checkpoint)
        raise UnknownName("checkpoint", title, [c.name for c in everything if not c.problem], field="checkpoint")

    def default(self, preferred: str = "") -> Checkpoint:
        """The preferred checkpoint if it is there and works, else the first that works. Raises ModelProblem."""
        working = [c for c in self.all() if c.problem is None]
        if not working:
            raise ModelProblem(
                "There is no checkpoint that can be used.",
                field="checkpoint",
                remedies=("Put a model into models/Stable-diffusion and refresh the list",),
            )
        wanted = name_of(preferred).casefold()
        return next((c for c in working if c.name.casefold() == wanted), working[0])

    def hashed(self, checkpoint: Checkpoint) -> Checkpoint:
        """The same with its hash, read now when the background has not come to it (a second for each GB or so)."""
        if checkpoint.hash or not checkpoint.weights:
            return checkpoint
        try:
            hashed = replace(checkpoint, hash=self._hashes.compute(checkpoint.weights))
        except OSError as error:
            raise ModelProblem(
                f"{checkpoint.name} cannot be read: {error.strerror or error}.", field="checkpoint"
            ) from error
        with self._lock:
            if self._found.get(checkpoint.name) == checkpoint:
                self._found[checkpoint.name] = hashed
        return hashed

    def _scan(self) -> Iterator[Checkpoint]:
        for root in self._folders:
            for path in sorted(_candidates(root, set())):
                yield self._describe(root, path)

    def _describe(self, root: Path, path: Path) -> Checkpoint:
        what = identify(path, self._families)
        name = path.relative_to(root).as_posix()
        kind: Literal["diffusers", "single"] = "diffusers" if path.is_dir() else "single"
        checkpoint = Checkpoint(
            name, path, what.family, kind, variant=what.variant, weights=what.weights, problem=what.problem
        )
        try:
            size = sum(file.stat().st_size for file in what.weights)
            known = self._hashes.known(what.weights)
            if known is None and what.weights and size <= _SMALL_BYTES:
                known = self._hashes.compute(what.weights)
            checkpoint = replace(checkpoint, size_bytes=size, hash=known or "")
            if path.is_dir() and (path / SIDECAR).is_file():
                checkpoint = replace(checkpoint, defaults=read_json(path / SIDECAR))
        except (ModelProblem, OSError) as error:
            why = f"It cannot be read: {error.strerror or error}." if isinstance(error, OSError) else error.detail
            checkpoint = replace(checkpoint, problem=checkpoint.problem or why)
        return checkpoint

    def _hash_all(self, waiting: Sequence[Checkpoint]) -> None:
        for checkpoint in waiting:
            try:
                digest = self._hashes.compute(checkpoint.weights)
            except OSError as error:
                log.warning("%s could not be hashed: %s.", checkpoint.name, error)
                continue
            with self._lock:
                if self._found.get(checkpoint.name) == checkpoint:
                    self._found[checkpoint.name] = replace(checkpoint, hash=digest)


def name_of(title: str) -> str:
    """The name in a checkpoint's title."""
    return _HASH_END.sub("", title)


def _candidates(root: Path, seen: set[Path]) -> Iterator[Path]:
    """Diffusers folders and model files below `root`; nothing inside a diffusers folder, and no folder twice."""
    try:
        if not root.is_dir() or root.resolve() in seen:
            return
        seen.add(root.resolve())
        inside = list(root.iterdir())
    except OSError as error:
        log.warning("The folder %s cannot be searched for checkpoints: %s.", root, error.strerror or error)
        return
    for path in inside:
        if path.name.startswith("."):
            continue
        is_file = path.suffix in _SUFFIXES and path.is_file()
        if is_file or (path / "model_index.json").is_file() or (path / "unet").is_dir():
            yield path
        elif path.is_dir():
            yield from _candidates(path, seen)


def _usable(checkpoint: Checkpoint) -> Checkpoint:
    if not checkpoint.path.exists():
        raise ModelProblem(
            f"{checkpoint.name} is no longer there.",
            field="checkpoint",
            remedies=("Put it back", "Choose another checkpoint"),
        )
    if checkpoint.problem:
        raise ModelProblem(
            f"{checkpoint.name} cannot be used. {checkpoint.problem}",
            field="checkpoint",
            remedies=("Choose another checkpoint", "Replace its file, then refresh the list"),
        )
    missing = [file for file in checkpoint.weights if not file.is_file()]
    if missing:
        raise ModelProblem(
            f"{checkpoint.name} is no longer complete: {missing[0].parent.name}/{missing[0].name} is gone.",
            field="checkpoint",
            remedies=("Put the file back", "Choose another checkpoint"),
        )
    return checkpoint
