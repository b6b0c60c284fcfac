"""Texts out of files of any origin: bytes of any encoding and HTML become plain text that can be shown. Torch-free."""

from __future__ import annotations

import codecs
import re
from html.parser import HTMLParser

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FALLBACK = "cp1252"
# Parsing takes time by the letter, and what is shown is far shorter.
_HTML_LETTERS = 200_000
# What the browser begins on a line of its own.
_LINES = re.compile("p|div|br|hr|li|ul|ol|h[1-6]|tr|table|blockquote|pre|section|article|header|footer")
_UNSEEN = frozenset(("script", "style", "template", "noscript", "title"))
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def decode(data: bytes) -> tuple[str, bool]:
    """(the text, whether it is in the encoding that it should be in: UTF-8, or one that a mark at its start names)."""
    name = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(name), True
    except UnicodeDecodeError:
        return data.decode(_FALLBACK, "replace"), False


def clean(text: str) -> str:
    """The same without what is no character of a text: control signs, and halves of surrogate pairs."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _CONTROLS.sub("", whole.replace("\r\n", "\n").replace("\r", "\n")).strip()


def plain(html: str) -> str:
    """The words of a piece of HTML, with its lines. It may still hold letters such as <, to be shown as letters."""
    parser = _Words()
    parser.feed(html[:_HTML_LETTERS])
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.found).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "li":
            self.found.append("\n- ")
        elif _LINES.fullmatch(tag):
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag != "li" and _LINES.fullmatch(tag):
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.found.append(data)
