"""What a picture's file says of how it was made: asked of the metadata readers, one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from webui import accept
from webui.core import infotext
from webui.core.errors import DarkroomError, ExtensionProblem, InvalidField, TooMany
from webui.core.fields import FIELDS
from webui.core.hook_rows import MetadataReader
from webui.core.infotext import Parsed
from webui.core.job import Identity
from webui.images.picture_file import PictureFile, read_file
from webui.plugins.meter import Call, refusal
from webui.plugins.resolve import resolve
from webui.plugins.threads import Threads

if TYPE_CHECKING:
    from webui.engine.checkpoints.catalogue import Catalogue
    from webui.plugins.manager import Plugins
    from webui.service import Service

log = logging.getLogger(__name__)

SECONDS = 10.0
"""So long one reader may take."""
OF_PERSON, OF_EXTENSION = 4, 8
_HOUSE = "Darkroom"
_MOST_FIELDS, _MOST_TEXT = 200, 1000


@dataclass(frozen=True, slots=True)
class Read:
    """What was read. `parsed` has no values where no reader knows the file; `reader` is the title of the one that does.

    problems: sentences about readers of extensions that failed. width, height: pixels.
    """

    parsed: Parsed
    reader: str
    infotext: str
    width: int
    height: int
    problems: tuple[str, ...] = ()


class PictureReading:
    """The part of the service that reads pictures that somebody brings."""

    def __init__(self, service: Service, plugins: Plugins, catalogue: Catalogue) -> None:
        self._service, self._plugins, self._catalogue = service, plugins, catalogue
        self._threads = Threads(OF_PERSON, OF_EXTENSION)

    async def read(self, data: bytes, who: Identity) -> Read:
        """Read the bytes of a PNG, JPEG, WebP, AVIF or GIF file. Raises BadPicture and TooMany.

        A reader of an extension that fails is passed over; the others are asked.
        """
        file = await asyncio.to_thread(read_file, data)
        problems: list[str] = []
        for row in self._service.registry.metadata_readers:
            try:
                answer = await self._ask(row, file, who)
            except TooMany:
                raise
            except DarkroomError as error:
                # In the log with its trace; a guest is told the sentence alone.
                log.warning("%s", error.detail, exc_info=error.__cause__)
                problems.append(error.detail)
                continue
            if answer is not None:
                text, parsed = await asyncio.to_thread(self._understood, answer)
                return Read(parsed, row.title, text, file.width, file.height, tuple(problems))
        return Read(Parsed(), "", "", file.width, file.height, tuple(problems))

    async def _ask(self, row: MetadataReader, file: PictureFile, who: Identity) -> str | Mapping[str, Any] | None:
        # Found there too: the module may be imported by it, which is the extension's code as well.
        call = Call(row.extension or _HOUSE, "metadata_readers", lambda given: resolve(row.function)(given))
        asked = partial(self._plugins.meter.ask, call, (file,))
        try:
            answer = await self._threads.answer(SECONDS, asked, row.extension or _HOUSE, who.id)
        except TimeoutError as error:
            raise refusal(call, f"{row.name} takes longer than {SECONDS:g} s.") from error
        except RuntimeError as error:
            raise ExtensionProblem(f"The extension '{row.extension}' failed in metadata_readers: {error}") from error
        if answer is None or isinstance(answer, str | Mapping):
            return answer
        raise refusal(call, f"it returned {type(answer).__name__}; a text, a mapping of fields or None is taken.")

    def _understood(self, answer: str | Mapping[str, Any]) -> tuple[str, Parsed]:
        """(the parameters text, what it says) with names as this installation knows them."""
        if isinstance(answer, str):
            text = answer[: infotext.MAX_LENGTH]
            return text, self._service.parse_infotext(text)
        read = accept.canonical(_of_fields(answer), self._service.registry, self._catalogue)
        return "", self._service.prompts.inferred(read)


def _of_fields(values: Mapping[str, Any]) -> Parsed:
    """Values by fields' names; what no field takes is kept as text beside them.

    `found` stays False: what another program's file does not say is not known, so it changes nothing.
    """
    known: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    for name, value in islice(values.items(), _MOST_FIELDS):
        try:
            known[name] = FIELDS[name].check(value)
        except (KeyError, TypeError, InvalidField):
            unknown[str(name)[:_MOST_TEXT]] = str(value)[:_MOST_TEXT]
    return Parsed(known, unknown, tuple(_pairs(known)))


def _pairs(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Values as a text would have them, for a person to read; the prompts stand beside."""
    for name, value in values.items():
        if name not in ("prompt", "negative_prompt"):
            yield FIELDS[name].infotext or FIELDS[name].label, f"{value:g}" if isinstance(value, float) else str(value)
