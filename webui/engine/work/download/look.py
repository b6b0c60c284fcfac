"""A look at an address before anything is fetched: what lies there, its size and its licence. Torch-free."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from email.message import Message
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from webui.core.errors import InvalidField
from webui.core.model_work import KINDS
from webui.engine.work.download import civitai, hub
from webui.engine.work.download.found import Found, RemoteFile
from webui.engine.work.download.kinds import kind_of
from webui.engine.work.download.tokens import TokenFile
from webui.engine.work.download.web import Answer, Web, check_address, shown
from webui.engine.work.names import safe_name

_HEX = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for.

    address: "owner/repository", "owner/repository/file", or a link. revision: of a repository on the hub, "" for the
    main one. file: which one, where an address has several. kind: a name in KINDS, "" to have it found out.
    """

    address: str
    revision: str = ""
    file: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the hub and CivitAI are."""

    hub: str = field(default_factory=lambda: (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/"))
    civitai: str = "https://civitai.com"


Looker = Callable[[Web], Found]
Source = Callable[[Wanted], "Looker | None"]
"""Where models can be had: how to look at an address, None where it is none of its own."""


def look(wanted: Wanted, tokens: TokenFile, servers: Servers | None = None, sources: Iterable[Source] = ()) -> Found:
    """What lies there. Raises DarkroomError: not there, not reachable, or several files of which one must be named.

    sources: those that are asked before the hub, CivitAI and plain addresses.
    """
    servers, sources = servers or Servers(), tuple(sources)
    address = check_wanted(wanted, servers, sources)
    typed = (servers.hub, servers.civitai, *([address] if "://" in address else []))
    web = Web(typed, tokens)
    try:
        found = _looker(address, wanted, servers, sources)(web)
        if not found.kind:
            file = found.files[0]
            found = replace(found, kind=wanted.kind or kind_of(web, file.url, file.name, file.size))
    finally:
        web.close()
    return replace(found, typed=typed, kind=wanted.kind or found.kind)


def check_wanted(wanted: Wanted, servers: Servers | None = None, sources: Iterable[Source] = ()) -> str:
    """The address, if there is something to look at; no server is asked. Raises InvalidField."""
    address = wanted.address.strip()
    if not address:
        raise InvalidField("Say what to get: owner/repository/file, or an address.", field="address")
    if wanted.kind and wanted.kind not in KINDS:
        raise InvalidField(f"A kind is one of {', '.join(KINDS)}, not '{wanted.kind[:40]}'.", field="kind")
    _looker(address, wanted, servers or Servers(), sources)
    return address


def _looker(address: str, wanted: Wanted, servers: Servers, sources: Iterable[Source]) -> Looker:
    if "://" in address:
        check_address(address)
    for source in sources:
        looker = source(replace(wanted, address=address))
        if looker is not None:
            return looker
    place = hub.parse(address, servers.hub, wanted.revision, wanted.file)
    if place is not None:
        return lambda web: hub.look(web, place, servers.hub)
    page = civitai.parse(address, servers.civitai)
    if page is not None:
        return lambda web: civitai.look(web, page, servers.civitai, wanted.file)
    if "://" not in address:
        raise InvalidField(
            f"'{address[:80]}' is neither an address nor a repository of the hub.",
            remedies=("Write owner/repository/file", "Write a whole address, as https://..."),
        )
    return lambda web: _plain(web, address)


def _plain(web: Web, url: str) -> Found:
    """A file at any address; what its server says of it."""
    with web.open("HEAD", url) as answer:
        usable = answer.status == 200
        found = _described(url, answer) if usable else None
    if found is None:
        # Some servers know no HEAD; the first byte tells as much.
        with web.open("GET", url, {"Range": "bytes=0-0"}) as answer:
            web.check(answer)
            found = _described(url, answer)
    return found


def _described(url: str, answer: Answer) -> Found:
    if answer.header("content-type").partition(";")[0].strip() == "text/html":
        raise InvalidField(
            f"{shown(url)} is a page to be read, not a file.", remedies=("Give the address of the download itself",)
        )
    name = _named(answer.header("content-disposition")) or unquote(PurePosixPath(urlsplit(url).path).name)
    size = answer.number("content-length")
    if answer.status == 206:
        total = answer.header("content-range").rpartition("/")[2]
        size = int(total) if total.isascii() and total.isdigit() else None
    linked = answer.header("x-linked-etag").strip('"')
    file = RemoteFile(url, safe_name(name), size, linked.lower() if _HEX.fullmatch(linked) else "")
    return Found(file.name, "", (file,), page=url.partition("?")[0])


def _named(disposition: str) -> str:
    """The file's name in a Content-Disposition, either form; "" where there is none."""
    message = Message()
    message["content-disposition"] = disposition.replace("\n", " ").replace("\r", " ")
    return message.get_filename() or ""
