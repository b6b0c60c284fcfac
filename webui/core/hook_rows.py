"""Rows that only extensions bring: what is done to predictions, to finished pictures, and with whole requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from webui.core.field import Field


@dataclass(frozen=True, slots=True)
class Guidance:
    """A way to make one prediction of those with the prompt and with the negative prompt.

    `function` is "module:function", resolved in the worker: (guided) -> a tensor like `guided.denoised`
    (engine/guidance.py). Of an extension with fields it is on in requests in which the extension is; `when` names the
    field which must have a value there that counts as true besides.
    """

    name: str
    function: str
    when: str = ""
    extension: str = ""
    """Whose it is; filled in when it is loaded."""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PostProcessing:
    """A change of a finished picture. `function` is "module:function", resolved in the worker.

    It returns the picture to go on with and takes, by these names, what it needs of: `image`, a PIL image; `index`, the
    picture's number in the request from 0; its `seed`; the `request`; `options`, the values of the extension's fields.
    `when`: as for Guidance.
    """

    name: str
    title: str
    function: str
    when: str = ""
    extension: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """A way to make many requests of one, and pictures of their pictures.

    `function` is "module:function", resolved in the web process, so it imports no torch. It is a generator function,
    which takes `request` and `options`, by these names, or one of them: each `yield` of a list of GenerationRequests is
    answered with a list of their Results (images/results.py), and what it returns, a list of PIL images or None, is
    saved as pictures of its own, at most `pictures`; a pair of an image and a Saving has its keys and chunks besides.
    It must ask for the same again when it is run again. `level` is the least trust that is needed to start it.
    """

    name: str
    title: str
    function: str
    pictures: int = 1
    level: Literal["visitor", "user", "owner"] = "owner"
    extension: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """An address of the server: /api/v1/x/EXTENSION/NAME.

    `function` is "module:function", resolved in the web process: (asked) -> JSON-ready data, or a Reply
    (core/asked.py). It runs on a thread of its own and has 30 seconds. `level` is the least trust that is needed.
    """

    name: str
    function: str
    method: Literal["GET", "POST"] = "GET"
    level: Literal["visitor", "user", "owner"] = "owner"
    extension: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where models can be downloaded from, besides the hub, CivitAI and plain addresses; asked before these.

    `function` is "module:function", resolved in the web process and in the workshop, so it imports no torch:
    (wanted) -> None where the address is none of its own, else a function that looks, (web) -> Found
    (engine/work/download).
    """

    name: str
    title: str
    function: str
    extension: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetadataReader:
    """A way to read how a picture was made out of its file.

    `function` is "module:function", resolved in the web process, so it imports no torch: (file) -> a parameters text as
    A1111 writes it, or a mapping of request fields by their names, or None where the file says nothing that it knows.
    `file` is a PictureFile (images/picture_file.py). The first that answers is taken: Darkroom's own rows, then those
    of extensions in their order.
    """

    name: str
    title: str
    function: str
    extension: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting(Field):
    """Something that the owner sets for the extension itself, of a Field's kinds: it is in no request and no picture.

    secret: its value is shown to nobody again, not even to the owner; a text whose default is "".
    """

    secret: bool = False
