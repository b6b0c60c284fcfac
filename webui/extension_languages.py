"""The languages that the page can be in: English, and those that extensions bring words in."""

from __future__ import annotations

from collections.abc import Callable

from webui.core.errors import UnknownName
from webui.plugins.locales import as_written, read_locales
from webui.plugins.manager import ExtensionReport

BROWSERS = "None"
"""What the setting says where each reader's browser chooses; A1111's word."""
ENGLISH = "en"


class Languages:
    """Read anew when extensions have been switched. Safe to use from several threads."""

    def __init__(self, reports: Callable[[], tuple[ExtensionReport, ...]]) -> None:
        self._reports = reports
        self._read: tuple[object, tuple[str, ...]] | None = None

    def choices(self) -> tuple[str, ...]:
        """What the setting `localization` may say: None, en, and the tags of the others in order, as pt-BR."""
        reports, read = self._reports(), self._read
        if read is None or read[0] != reports:
            folders = [report.folder for report in reports if report.ok and report.folder]
            found = {as_written(tag) for folder in folders for tag in read_locales(folder)[0]}
            read = self._read = (reports, (BROWSERS, ENGLISH, *sorted(found - {ENGLISH})))
        return read[1]

    def get(self, given: str) -> str:
        """One of them, however its letters are written. Raises UnknownName."""
        for choice in self.choices():
            if choice.casefold() == given.strip().casefold():
                return choice
        raise UnknownName("language", given[:60], self.choices(), field="localization")
