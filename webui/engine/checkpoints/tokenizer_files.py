"""Find the tokenizer of a text encoder: in the checkpoint, among the person's files, or fetched once. Torch-free."""

from __future__ import annotations

import functools
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import httpx
from tokenizers import Tokenizer

from webui.core.errors import ModelProblem
from webui.core.paths import PROGRAM_DIR
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.sentencepiece_files import read_sentencepiece

log = logging.getLogger(__name__)

TOKENIZER, SENTENCEPIECE = "tokenizer.json", "spiece.model"
"""The two forms of a tokenizer that can be read, the better first: of the `tokenizers` library, of sentencepiece."""

_FOLDER = "tokenizers"
_HUB = "https://huggingface.co"
# The largest tokenizers that text encoders have take 35 MB.
_MOST_BYTES = 64_000_000
_TIMEOUT_SECONDS = 20.0
_MOST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class KnownTokenizer:
    """A tokenizer that does not ship with the program.

    name: of its folder below models/tokenizers. title: what a person calls it. hub: where its tokenizer.json may be
    fetched by anybody, without an account, as "owner/repository/path". also: further such places, of which a person's
    hub cache may hold one; a path without a file's name means either form. numbers: some of its tokens, by which
    another model's tokenizer is told from it.
    """

    name: str
    title: str
    hub: str
    also: tuple[str, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)


T5 = KnownTokenizer(
    "t5",
    "T5",
    "google-t5/t5-base/tokenizer.json",
    (
        "google/t5-v1_1-xxl",
        "black-forest-labs/FLUX.1-dev/tokenizer_2",
        "black-forest-labs/FLUX.1-schnell/tokenizer_2",
        "stabilityai/stable-diffusion-3.5-large/tokenizer_3",
        "stabilityai/stable-diffusion-3.5-medium/tokenizer_3",
        "stabilityai/stable-diffusion-3-medium-diffusers/tokenizer_3",
    ),
    {"<pad>": 0, "</s>": 1, "<unk>": 2},
)
"""The vocabulary of every T5 in English; that of version 1.1 is the first version's."""


def tokenizer_for(checkpoint: Checkpoint, folder_name: str, known: KnownTokenizer) -> Tokenizer:
    """The tokenizer of one of a checkpoint's text encoders; fetched into models/tokenizers when it is nowhere.

    folder_name: its folder's name in diffusers' form ("tokenizer_2"). It neither pads nor cuts. Raises ModelProblem
    when the file that was found is damaged or of another model, and when there is none and none can be fetched.
    """
    return local_tokenizer(checkpoint, folder_name, known) or _fetched(checkpoint, known)


def local_tokenizer(checkpoint: Checkpoint, folder_name: str, known: KnownTokenizer) -> Tokenizer | None:
    """The same without fetching anything; None where it is not on this machine."""
    path = next((path for path in _places(checkpoint, folder_name, known) if path.is_file()), None)
    if path is None:
        return None
    tokenizer = read_tokenizer(path)
    if not _is(tokenizer, known):
        raise ModelProblem(
            f"{path.parent.name}/{path.name} is not the tokenizer of {known.title}: its tokens have other numbers.",
            field="checkpoint",
            remedies=(f"Replace the file by the tokenizer of {known.title}", "Delete it, to have the right one found"),
        )
    return tokenizer


def _is(tokenizer: Tokenizer, known: KnownTokenizer) -> bool:
    return all(tokenizer.token_to_id(name) == number for name, number in known.numbers.items())


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer from a file of one of the two forms, kept while the file stays as it is. Raises ModelProblem."""
    try:
        found = path.stat()
        return _read(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise ModelProblem(f"{path} cannot be read: {error.strerror or error}.", field="checkpoint") from error


@functools.lru_cache(maxsize=8)
def _read(path: Path, size: int, changed: int) -> Tokenizer:
    if size > _MOST_BYTES:
        raise ModelProblem(f"{path.parent.name}/{path.name} is too large for a tokenizer.", field="checkpoint")
    data = path.read_bytes()
    if path.name == SENTENCEPIECE:
        return read_sentencepiece(data, path)
    try:
        return _parse(data)
    except ValueError as error:
        raise ModelProblem(
            f"{path.parent.name}/{path.name} is no tokenizer.", field="checkpoint", remedies=("Replace the file",)
        ) from error


def _parse(data: bytes) -> Tokenizer:
    """The tokenizer in the content of a tokenizer.json. Raises ValueError."""
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # the tokenizers library raises bare Exception
        raise ValueError("it is no tokenizer") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _places(checkpoint: Checkpoint, folder_name: str, known: KnownTokenizer) -> Iterator[Path]:
    """Where the tokenizer may lie on this machine, the best place first."""
    folders = [checkpoint.path / folder_name]
    encoder = checkpoint.parts.get(folder_name.replace("tokenizer", "text_encoder"))
    if encoder is not None:
        # A text encoder that was taken from another model's folder brings that model's tokenizer.
        folders.append(encoder.files[0].parent.parent / folder_name)
    folders += [_models(checkpoint) / _FOLDER / known.name, PROGRAM_DIR / "models" / _FOLDER / known.name]
    for folder in folders:
        yield from (folder / name for name in (TOKENIZER, SENTENCEPIECE))
    for place in (known.hub, *known.also):
        yield from _cached(place)


def _cached(place: str) -> Iterator[Path]:
    """A file of the hub in the person's cache of it, of the revision called main first, else the newest."""
    owner, repository, *inside = PurePosixPath(place).parts
    folder = _hub_cache() / f"models--{owner}--{repository}"
    try:
        snapshots = sorted((folder / "snapshots").iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return
    try:
        main = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        # What was fetched by a revision's number has no name.
        main = ""
    for snapshot in sorted(snapshots, key=lambda path: path.name != main):
        path = snapshot.joinpath(*inside)
        yield from (path,) if path.suffix else (path / name for name in (TOKENIZER, SENTENCEPIECE))


def _hub_cache() -> Path:
    """The hub's own rule: HF_HUB_CACHE, else HF_HOME/hub, else .cache/huggingface/hub in the person's home."""
    own = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if own:
        return Path(own).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get("HF_HOME") or cache / "huggingface").expanduser() / "hub"


def _models(checkpoint: Checkpoint) -> Path:
    """The person's folder of models."""
    return checkpoint.models_dir or PROGRAM_DIR / "models"


def _fetched(checkpoint: Checkpoint, known: KnownTokenizer) -> Tokenizer:
    target = _models(checkpoint) / _FOLDER / known.name / TOKENIZER
    url = _url(known.hub)
    log.info("The tokenizer of %s is not here; fetching it from %s.", known.title, url)
    try:
        data = _download(url)
        tokenizer = _parse(data)
        if not _is(tokenizer, known):
            raise ValueError("what came is the tokenizer of another model")
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise _missing(checkpoint, known, target, str(error) or type(error).__name__) from error
    try:
        _write(data, target)
    except OSError as error:
        raise ModelProblem(
            f"The tokenizer of {known.title} could not be written to {target}: {error.strerror or error}.",
            remedies=("Make room on the disk, or let the program write to this folder", "Put the file there yourself"),
        ) from error
    log.info("The tokenizer of %s (%.1f MB) is now in %s.", known.title, len(data) / 1e6, target)
    return tokenizer


def _url(place: str) -> str:
    owner, repository, *inside = PurePosixPath(place).parts
    hub = (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")
    return f"{hub}/{owner}/{repository}/resolve/main/{'/'.join(inside)}"


def _download(url: str) -> bytes:
    """What lies at an address. Raises HTTPError or OSError."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise OSError("HF_HUB_OFFLINE is set")
    end = time.monotonic() + _MOST_SECONDS
    with httpx.stream("GET", url, timeout=_TIMEOUT_SECONDS, follow_redirects=True) as answer:
        answer.raise_for_status()
        data = bytearray()
        for piece in answer.iter_bytes():
            data += piece
            if len(data) > _MOST_BYTES:
                raise OSError("what came is too large for a tokenizer")
            if time.monotonic() > end:
                raise OSError("it came too slowly")
    return bytes(data)


def _write(data: bytes, target: Path) -> None:
    """Put a whole file in its place, or none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp lets nobody else read; other people of this machine may use the same models.
        temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _missing(checkpoint: Checkpoint, known: KnownTokenizer, target: Path, why: str) -> ModelProblem:
    return ModelProblem(
        f"{checkpoint.name} needs the tokenizer of {known.title}, which is not on this machine and could not be "
        f"fetched ({why}).",
        field="checkpoint",
        remedies=(
            f"Connect this machine to the internet and try again: {_url(known.hub)} is fetched once",
            f"Fetch that file elsewhere and put it to {target}",
        ),
    )
