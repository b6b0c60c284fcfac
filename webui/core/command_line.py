"""Reading a command line: argparse with our errors, the flags as its arguments, and the command among them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from webui.core.errors import Faults, InvalidField, nearest
from webui.core.fields import ROWS
from webui.core.flags import BY_NAME, FLAGS, Flag
from webui.core.groups import FLAT_ROWS

OF_GENERATE: Mapping[str, bool] = MappingProxyType(
    {name: field.kind != "bool" for field in (*ROWS, *FLAT_ROWS.values()) for name in field.spellings}
    | dict.fromkeys(("--size", "--request", "--script", "-o", "--output"), True)
)
"""Flags that only `generate` takes, and whether a value follows; other commands say where they belong."""

_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


class Parser(argparse.ArgumentParser):
    """argparse, with our errors: a wrong command line raises InvalidField, whose exit code is 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, exit_on_error=False, **options)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See argparse; refuses unknown flags, all at once and before anything else is looked at."""
        words = list(sys.argv[1:] if args is None else args)
        faults = Faults()
        for position in self._unknown(words):
            faults.add(self._no_flag(words, position))
        faults.raise_found()
        given, rest = self.parse_known_args(words, namespace)
        if rest and not self._has_taken(given, rest):
            raise InvalidField(
                f"There is nothing that {self._command} could do with '{' '.join(rest)[:60]}'.",
                remedies=("Put quotes around a text of several words", self._see),
            )
        return given

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See argparse."""
        words = list(sys.argv[1:] if args is None else args)
        try:
            return super().parse_known_args(words, namespace)
        except argparse.ArgumentError as error:
            raise InvalidField(_sentence(error, words), remedies=(self._see,)) from None

    def _has_taken(self, given: Any, rest: Sequence[str]) -> bool:
        """Whether words behind a flag were put to those before it; argparse takes only those that stand together."""
        action = next((one for one in self._get_positional_actions() if one.nargs in ("*", "+")), None)
        if action is None or any(word.startswith("-") for word in rest):
            return False
        try:
            more = [self._get_value(action, word) for word in rest]
        except argparse.ArgumentError as error:
            raise InvalidField(_sentence(error, rest), remedies=(self._see,)) from None
        setattr(given, action.dest, [*(getattr(given, action.dest) or ()), *more])
        return True

    def error(self, message: str) -> Any:
        """Refuse the command line with a sentence."""
        raise InvalidField(f"{message[:1].upper()}{message[1:]}.", remedies=(self._see,))

    @property
    def _command(self) -> str:
        return self.prog.rpartition(" ")[2]

    @property
    def _see(self) -> str:
        return f"See {self.prog} --help"

    def _unknown(self, words: Sequence[str]) -> Iterable[int]:
        """Where flags stand that this parser does not know."""
        position = 0
        while position < len(words) and words[position] != "--":
            word = words[position]
            name, equals, _ = word.partition("=")
            action = self._option_string_actions.get(name)
            is_flag = len(word) > 1 and word[0] == "-" and " " not in name and not _NUMBER.fullmatch(word)
            if action is not None:
                position += action.nargs is None and not equals
            elif is_flag and not (word[1] != "-" and word[:2] in self._option_string_actions):
                yield position
            position += 1

    def _no_flag(self, words: Sequence[str], position: int) -> InvalidField:
        name, equals, _ = words[position].partition("=")
        if name in OF_GENERATE:
            value = words[position + 1 : position + 2] if OF_GENERATE[name] and not equals else []
            prompt = [] if name == "--prompt" else ['"a red circle"']
            example = " ".join(["launch.py generate", *prompt, words[position], *value])
            return InvalidField(f"{name} is a flag of generate, not of {self._command}.", remedies=(example[:90],))
        near = nearest(name, [known for known in self._option_string_actions if known.startswith("--")])
        hint = f" Did you mean {near}?" if near else ""
        return InvalidField(f"There is no flag {name[:60]}.{hint}", remedies=(f"Use {near}",) if near else (self._see,))


def _sentence(error: argparse.ArgumentError, words: Sequence[str]) -> str:
    spellings = (error.argument_name or "").split("/")
    given = {word.partition("=")[0] for word in words}
    # Of a flag with two spellings the one that was typed.
    name = next((one for one in spellings if one in given), " or ".join(spellings))
    subject = name if name.startswith("-") else f"The {name}"
    said = error.message
    if said.startswith("expected"):
        return f"{subject} needs a value after it."
    if said.startswith("ignored explicit argument"):
        return f"{subject} takes no value."
    return f"{subject} {said}."


def whole(minimum: int | None = None) -> Callable[[str], int]:
    """What reads a whole number, of at least `minimum`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, not '{text[:40]}'") from None
        if minimum is not None and number < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, not {text[:40]}")
        return number

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """What reads one of these words, in capitals or not."""

    def read(text: str) -> str:
        found = next((word for word in words if word.casefold() == text.casefold()), None)
        if found is None:
            near = nearest(text, words)
            hint = f" (did you mean {near}?)" if near else ""
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(words)}, not '{text[:40]}'{hint}")
        return found

    return read


def path(text: str) -> Path:
    """What reads a path; a relative one counts from the folder that the command was given in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("needs the path of a file or folder after it")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"names '{text[:40]}', and there is no such user") from None


def add_flags(parser: argparse.ArgumentParser, shown: Iterable[str] = ()) -> None:
    """Add every flag to a parser; only groups in `shown` appear in its --help."""
    groups = {name: parser.add_argument_group(name) for name in shown}
    for flag in FLAGS:
        visible = flag.group in groups and flag.works
        target = groups.get(flag.group, parser)
        help_text = flag.help if visible else argparse.SUPPRESS
        if flag.kind == "switch":
            target.add_argument(flag.name, action="store_true", default=None, help=help_text)
            continue
        target.add_argument(
            flag.name,
            type=_reader(flag),
            metavar=flag.shown_value,
            action="append" if flag.repeats else "store",
            help=help_text,
        )


def _reader(flag: Flag) -> Callable[[str], Any]:
    if flag.values:
        return one_of(*flag.values)
    return {"int": whole(), "path": path}.get(flag.kind, str)


def split_command(arguments: Sequence[str], commands: Iterable[str]) -> tuple[str, list[str]]:
    """(command, the other arguments) of a command line in which flags may stand before the command.

    Without a command it is "serve". Raises InvalidField for a word in its place that is no command.
    """
    known = set(commands)
    position, strange = 0, False
    while position < len(arguments):
        word = arguments[position]
        if not word.startswith("-"):
            break
        flag = BY_NAME.get(word)
        position += 2 if OF_GENERATE.get(word, flag is not None and flag.takes_value) else 1
        strange = strange or word.partition("=")[0] not in BY_NAME
    if position < len(arguments) and arguments[position] in known:
        return arguments[position], [*arguments[:position], *arguments[position + 1 :]]
    if position < len(arguments) and not strange:
        raise _no_command(arguments[position:], known, after=arguments[position - 1] if position else "")
    # A strange flag may have a value of its own, which would be blamed for being no command.
    return "serve", list(arguments)


def _no_command(words: Sequence[str], known: Iterable[str], after: str) -> InvalidField:
    if after == "--listen" and re.fullmatch(r"[\w.:-]*[.:][\w.:-]*", words[0]):
        return InvalidField(
            "--listen takes no address: it opens the page on all of this machine's.",
            remedies=(f"One address only: --server-name {words[0][:60]}",),
        )
    near = nearest(words[0], known)
    hint = f" Did you mean '{near}'?" if near else ""
    ways = [f"Commands: {', '.join(sorted(known))}; launch.py --help says what each does"]
    if not near:
        count = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
        ways.insert(0, f'For a picture: launch.py generate "{" ".join(words[:count])[:60]}"')
    return InvalidField(f"There is no command '{words[0][:60]}'.{hint}", remedies=ways)
