"""Adapters found by the hashes that a picture's text names, whatever their files are called here. Torch-free."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from webui.core.errors import DarkroomError
from webui.engine.adapters.catalogue import AdapterCatalogue, AdapterFile, is_hash

log = logging.getLogger(__name__)

MOST_READ = 1_000_000_000
"""So many bytes are read for one text, of files whose hash is not known; what is read is known at the next text."""


def by_hashes(wanted: Mapping[str, str], catalogue: AdapterCatalogue) -> dict[str, AdapterFile]:
    """The files with these hashes, by the names that they have elsewhere. wanted: first digits of hashes by name.

    Known hashes are asked first, then files are read: the one of that name, those whose training says the hash, and
    those that are called most like it.
    """
    found: dict[str, AdapterFile] = {}
    room = MOST_READ
    for name, written in wanted.items():
        digits = written.strip().casefold()
        if not is_hash(digits):
            continue
        known = catalogue.with_hash(digits, name)
        if known is not None:
            found[name] = known
            continue
        for file in _likely(name, digits, catalogue):
            try:
                room -= file.path.stat().st_size
                if room < 0:
                    break
                if catalogue.hash(file).startswith(digits):
                    found[name] = file
                    break
            except (DarkroomError, OSError) as error:
                log.info("%s was passed over: %s", file.path, error)
    return found


def _likely(name: str, digits: str, catalogue: AdapterCatalogue) -> Iterator[AdapterFile]:
    """Files whose hash is not known, the likeliest first."""
    named = catalogue.find(name)
    like = SequenceMatcher(b=name.casefold()[:200])

    def order(file: AdapterFile) -> tuple[bool, bool, float]:
        like.set_seq1(file.title.casefold()[:200])
        return file != named, not catalogue.says_hash(file, digits), -like.ratio()

    yield from sorted((one for one in catalogue.all() if not catalogue.is_hashed(one)), key=order)
