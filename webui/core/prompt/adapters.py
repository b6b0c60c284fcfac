"""The adapters that a prompt asks for: its `<lora:name:te:unet>` parts as values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from webui.core.prompt.comments import without_comments
from webui.core.prompt.networks import Network, take_networks

TYPES = ("lora", "lyco")
"""What a part of a prompt calls itself that is an adapter; the second is of the time when LyCORIS was an extension."""

MOST = 100
"""So many adapters one prompt may name."""

DIGITS = 12
"""Of a hash in infotexts; A1111 finds adapters by so many."""

_MOST_WEIGHT = 1000.0
_NAME = re.compile(r"<(?P<type>\w+):(?P<name>[^:<>]+)(?=[:>])")
_NAMED_TYPES, _LONGEST_TYPE = 5, 40
_MOST_NOTES, _LONGEST_NAME = 20, 60
_KEYS = ("te", "unet", "dyn")
"""What arguments without a name are, in their order."""
_NUMBERS = {
    "te": ("weight of the text encoders", -_MOST_WEIGHT, _MOST_WEIGHT),
    "unet": ("weight of the network that draws", -_MOST_WEIGHT, _MOST_WEIGHT),
    "dyn": ("number of ranks", 0.0, 10_000.0),
    "start": ("start", 0.0, 1.0),
    "stop": ("stop", 0.0, 1.0),
}
"""What a LoRA takes: what it is called in a sentence, its least and its most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An adapter as a prompt asks for it. te, unet: how much of it text encoders and denoiser get; 1 is what was
    trained. ranks: of how many of its ranks, None for all. start, stop: the share of the steps, 0 to 1, from and to
    which the denoiser gets it."""

    name: str
    te: float = 1.0
    unet: float = 1.0
    ranks: int | None = None
    start: float = 0.0
    stop: float = 1.0


def asked_of(prompt: str, *, comments: bool = True) -> tuple[tuple[Asked, ...], tuple[str, ...]]:
    """(the adapters of a prompt in their order, sentences about what of it cannot be understood).

    comments: whether `#` begins one, in which no adapter is asked for.

    Positional arguments are, as in A1111, the text encoders' weight, the denoiser's (else the same) and how many ranks
    count; named ones are te, unet, dyn, start and stop.
    """
    text = without_comments(prompt) if comments else prompt
    found = take_networks(text)[1]
    networks = [one for one in found if _is_adapter(one)]
    notes = _left_out(found)
    if len(networks) > MOST:
        notes.append(f"Only the first {MOST} of the {len(networks)} LoRAs in the prompt are used.")
    asked = tuple(_asked(one, notes) for one in networks[:MOST])
    return asked, tuple(dict.fromkeys(notes[:_MOST_NOTES]))


def unknown_types(prompt: str, *, comments: bool = True) -> tuple[str, ...]:
    """A sentence, or none, about parts of a prompt that name what is no adapter, as `<hypernet:name:1>` does.

    They are taken out of the prompt like all of that form. comments: see `asked_of`.
    """
    return tuple(_left_out(take_networks(without_comments(prompt) if comments else prompt)[1]))


def left_in_negative(prompts: Iterable[str], *, comments: bool = True) -> tuple[str, ...]:
    """A sentence, or none, about adapters in negative prompts, where they are text. comments: see `asked_of`."""
    texts = (without_comments(text) if comments else text for text in dict.fromkeys(prompts))
    found = dict.fromkeys(str(one) for text in texts for one in take_networks(text)[1] if _is_adapter(one))
    if not found:
        return ()
    named = ", ".join(one[:_LONGEST_NAME] for one in list(found)[:_NAMED_TYPES])
    more = f" and {len(found) - _NAMED_TYPES} others" if len(found) > _NAMED_TYPES else ""
    return (f"In the negative prompt {named}{more} is text, as in A1111; a LoRA belongs into the prompt.",)


def names_in(prompts: Iterable[str], *, comments: bool = True) -> tuple[str, ...]:
    """The names of all adapters in these prompts, each once."""
    found = (one.name for prompt in dict.fromkeys(prompts) for one in asked_of(prompt, comments=comments)[0])
    return tuple(dict.fromkeys(found))


def hashes_text(prompts: Iterable[str], hashes: Mapping[str, str], *, comments: bool = True) -> str:
    """The adapters of prompts with the first digits of their hashes, as A1111 writes them into infotexts.

    hashes: by name; what is not there is left out.
    """
    known = (name for name in names_in(prompts, comments=comments) if name in hashes)
    return ", ".join(f"{name.replace(',', '')}: {hashes[name][:DIGITS]}" for name in known)


def read_hashes_text(text: str) -> dict[str, str]:
    """The names in such a text, without commas, with the digits beside them."""
    pairs = (part.rpartition(":") for part in text.split(",")[:MOST])
    return {name.strip(): digits.strip() for name, colon, digits in pairs if colon and name.strip()}


def renamed(prompt: str, names: Mapping[str, str]) -> str:
    """The prompt with other names for its adapters, by those that they had in an infotext; nothing else changes."""

    def written(found: re.Match[str]) -> str:
        new = names.get(found["name"].strip().replace(",", ""))
        return f"<{found['type']}:{new}" if new and found["type"].casefold() in TYPES else found[0]

    return _NAME.sub(written, prompt)


def _is_adapter(network: Network) -> bool:
    return network.type.casefold() in TYPES


def _left_out(networks: Iterable[Network]) -> list[str]:
    types = list(dict.fromkeys(one.type[:_LONGEST_TYPE] for one in networks if not _is_adapter(one)))
    if not types:
        return []
    more = f" and {len(types) - _NAMED_TYPES} others" if len(types) > _NAMED_TYPES else ""
    named = ", ".join(f"<{type_}:…>" for type_ in types[:_NAMED_TYPES])
    return [f"Left out of the prompt: {named}{more}. Of this form only <lora:…> and <lyco:…> are known here."]


def _asked(network: Network, notes: list[str]) -> Asked:
    given = dict(zip(_KEYS, network.positional, strict=False)) | dict(network.named)
    called = f"the LoRA {network.name.strip()[:_LONGEST_NAME]}"
    _tell_unread(network, called, notes)

    def number(name: str, otherwise: float, used: str = "") -> float:
        if name not in given or not given[name].strip():
            return otherwise
        try:
            value = float(given[name])
        except ValueError:
            value = math.nan
        title, least, most = _NUMBERS[name]
        if least <= value <= most:
            return value
        limits = f"one is a number from {least:g} to {most:g}"
        used = used or f"{otherwise:g} is used"
        notes.append(f"'{given[name][:40]}' is no {title} of {called}: {limits}. So {used}.")
        return otherwise

    te = number("te", 1.0)
    unet, ranks = number("unet", te), int(number("dyn", 0, "all are used"))
    start, stop = number("start", 0.0), number("stop", 1.0)
    if stop <= start:
        notes.append(
            f"T{called[1:]} starts at {start:g} of the steps and stops at {stop:g}, so that the network that draws "
            "never gets it."
        )
    return Asked(network.name.strip(), te, unet, ranks or None, start, stop)


def _tell_unread(network: Network, called: str, notes: list[str]) -> None:
    """Say which arguments mean nothing."""
    more = network.positional[len(_KEYS) :]
    if any(map(str.strip, more)):
        shown = ":".join(more)[:_LONGEST_NAME]
        notes.append(
            f"'{shown}' of {called} means nothing: without a name three numbers count, of the text encoders, of the "
            "network that draws and of the ranks."
        )
    unheard = [key for key in network.named if key not in _NUMBERS]
    if unheard:
        shown = ", ".join(f"{key}={network.named[key]}" for key in unheard)[:_LONGEST_NAME]
        notes.append(f"'{shown}' of {called} means nothing; there are {', '.join(list(_NUMBERS)[:-1])} and stop.")
