"""Extra networks in a prompt, `<lora:name:0.8>` and kin: found, taken out of the text, and written back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from webui.core.frozen import FrozenMap

_BEGIN = re.compile(r"<(\w+):")
_END = ">"
_BETWEEN = ":"
_NAMED = "="


@dataclass(frozen=True, slots=True)
class Network:
    """`<type:name:argument:key=value>`: its parts as written, all texts; what they mean is the type's own matter.

    named: of several arguments with one key the last.
    """

    type: str
    name: str
    positional: tuple[str, ...] = ()
    named: FrozenMap[str] = field(default_factory=FrozenMap)

    def __str__(self) -> str:
        """As it stands in a prompt; reads back to an equal value where it came from one."""
        named = (f"{key}{_NAMED}{value}" for key, value in self.named.items())
        return f"<{_BETWEEN.join((self.type, self.name, *self.positional, *named))}{_END}"


def take_networks(text: str) -> tuple[str, tuple[Network, ...]]:
    """(the text without its networks, the networks in their order).

    A type is letters, digits and underscores; a name and arguments are anything without `:` and `>`. What has no name
    or no end stays text. A1111's syntax, where nothing escapes: brackets around a network do not matter to it.
    """
    kept: list[str] = []
    found: list[Network] = []
    at, end = 0, -1
    for begin in _BEGIN.finditer(text):
        if begin.start() < at:
            # Inside the one before.
            continue
        if end < begin.end():
            end = text.find(_END, begin.end())
        if end < 0:
            break
        # Many without a name may share one end, so that what is behind the name is not looked at for each.
        between = text.find(_BETWEEN, begin.end(), end)
        if not text[begin.end() : end if between < 0 else between].strip():
            continue
        name, *arguments = text[begin.end() : end].split(_BETWEEN)
        kept.append(text[at : begin.start()])
        found.append(_network(begin[1], name, arguments))
        at = end + 1
    return "".join([*kept, text[at:]]), tuple(found)


def _network(type_: str, name: str, arguments: list[str]) -> Network:
    named = dict(argument.split(_NAMED, 1) for argument in arguments if _NAMED in argument)
    return Network(type_, name, tuple(a for a in arguments if _NAMED not in a), FrozenMap(named))
