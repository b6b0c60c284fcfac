"""LoRAs and embeddings of a read text that are known by the hashes beside it: part of acceptance."""

from __future__ import annotations

from dataclasses import replace

from webui.core.infotext import EMBEDDINGS, LORAS, Parsed
from webui.core.prompt.adapters import read_hashes_text, renamed
from webui.core.prompt.learned import written_name
from webui.engine.adapters.catalogue import AdapterCatalogue, AdapterFile
from webui.engine.adapters.renamed import by_hashes
from webui.engine.checkpoints.catalogue import Catalogue

_PROMPTS = ("prompt", "hr_prompt")
_LEAST_DIGITS = 8
"""Of an embedding's hash; the oldest texts have so many."""
_NOT_WRITTEN = frozenset(":<>")


def named_by_hash(parsed: Parsed, catalogue: Catalogue) -> Parsed:
    """The same with the LoRAs in its prompts called as their files are here, as A1111 does on pasting.

    What a hash names that is not here stays among the unknown ones; all others are understood.
    """
    unknown = dict(parsed.unknown)
    loras = read_hashes_text(unknown.pop(LORAS, ""))
    words = read_hashes_text(unknown.pop(EMBEDDINGS, ""))
    files = by_hashes(loras, catalogue.adapters)
    there = [(written_name(one.name), one.facts.digest) for one in catalogue.embeddings.all() if one.facts]
    known = {name for name, digits in words.items() if _is_embedding(name, digits.casefold(), there)}
    for key, told, found in ((LORAS, loras, files.keys()), (EMBEDDINGS, words, known)):
        missing = ", ".join(f"{name}: {digits}" for name, digits in told.items() if name not in found)
        if missing:
            unknown[key] = missing
    names = {name: new for name, file in files.items() if (new := _name_here(name, file, catalogue.adapters))}
    own = {name: renamed(parsed.values[name], names) for name in _PROMPTS if parsed.values.get(name)}
    return replace(parsed, values={**parsed.values, **own}, unknown=unknown)


def _name_here(name: str, file: AdapterFile, catalogue: AdapterCatalogue) -> str:
    """What the prompt is to call the file; "" where the name that it has there means it, or no other can be written."""
    if catalogue.find(name) == file:
        return ""
    # With its folder where another one is called so.
    new = file.title if catalogue.find(file.title) == file else file.name
    return "" if _NOT_WRITTEN & set(new) else new


def _is_embedding(name: str, digits: str, there: list[tuple[str, str]]) -> bool:
    names = (own for own, digest in there if digest.startswith(digits))
    return len(digits) >= _LEAST_DIGITS and name.casefold() in map(str.casefold, names)
