"""What the page loads of extensions: a script with their fields and words, then their own web/*.js and web/*.css."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from webui.core.panels import Panels
from webui.core.registry import Sampler
from webui.core.settings import Settings
from webui.plugins.loader import build_registry
from webui.plugins.locales import read_locales
from webui.plugins.manager import ExtensionReport, Plugins
from webui.ui.assets import Asset, asset_of, head_html, load_assets
from webui.ui.panels import told

log = logging.getLogger(__name__)

MOST_BYTES = 4 << 20
"""Of one file; a page must not wait for more."""
DATA = "extension-data.js"
TASK = "txt2img"


class PageAssets(Mapping[str, Asset]):
    """All files that the page loads, by the names they are served under: our own, and those of extensions as they are.

    What is an extension's is read anew when extensions have been switched. Safe to use from several threads.
    """

    def __init__(
        self, plugins: Plugins, settings: Callable[[], Settings] = lambda: Settings.model_validate({})
    ) -> None:
        self._plugins, self._settings = plugins, settings
        self._read: tuple[object, Asset, dict[str, Asset]] | None = None

    def head(self, prefix: str) -> str:
        """The lines for the page's head; see `head_html`."""
        _, data, files = self._now()
        settings = self._settings()
        return head_html(prefix, settings.theme, files.values(), (data,), settings.localization)

    def __getitem__(self, name: str) -> Asset:
        own = load_assets()
        return own[name] if name in own else self._of_extensions()[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**load_assets(), **self._of_extensions()})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _of_extensions(self) -> dict[str, Asset]:
        _, data, files = self._now()
        return {data.name: data, **files}

    def _now(self) -> tuple[object, Asset, dict[str, Asset]]:
        reports = self._plugins.reports
        read = self._read
        if read is None or read[0] != reports:
            registry = build_registry(self._plugins)
            read = (reports, extension_data(reports, registry.panels, registry.samplers), extension_assets(reports))
            self._read = read
        return read


def extension_data(reports: Iterable[ExtensionReport], panels: Panels, samplers: Iterable[Sampler]) -> Asset:
    """The script that tells ours of the panels, of all samplers with their groups, and what extensions and the page are
    called in other languages.
    """
    words = {report.name: _locales(report) for report in reports if report.ok}
    data = {
        "panels": told(panels, TASK),
        "samplers": [(row.name, row.group) for row in samplers],
        "words": {name: own for name, texts in words.items() if (own := _own(texts))},
        "texts": _of_page(words.values()),
    }
    said = json.dumps(data, ensure_ascii=True, sort_keys=True)
    return asset_of(DATA, f"window.darkroom.extensionData = {said};\n".encode())


def page_texts(reports: Iterable[ExtensionReport]) -> dict[str, dict[str, str]]:
    """The page's own texts in the languages that extensions bring, by language."""
    return _of_page(_locales(report) for report in reports if report.ok)


def _of_page(all_texts: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for texts in all_texts:
        for language, said in texts.items():
            if "page" in said:
                # The first that has words for the page has them.
                found[language] = {**said["page"], **found.get(language, {})}
    return found


def _own(texts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is said of the extension itself."""
    said = {tag: {key: value for key, value in one.items() if key != "page"} for tag, one in texts.items()}
    return {tag: own for tag, own in said.items() if own}


def _locales(report: ExtensionReport) -> dict[str, dict[str, Any]]:
    if report.folder is None:
        return {}
    found, problems = read_locales(report.folder)
    for problem in problems:
        log.warning("The extension '%s': %s", report.name, problem)
    return found


def extension_assets(reports: Iterable[ExtensionReport]) -> dict[str, Asset]:
    """By the names they are served under: sheets and scripts of the extensions that were loaded, in their order.

    A file that cannot be read, or is larger than MOST_BYTES, is left out and named in the log.
    """
    found: dict[str, Asset] = {}
    for report in reports:
        if not report.ok or report.folder is None:
            continue
        folder = report.folder / "web"
        files = [path for ending in ("*.css", "*.js") for path in sorted(folder.glob(ending))]
        for path in files:
            try:
                data = path.read_bytes()
            except OSError as error:
                log.warning("The extension '%s' has a web/%s that cannot be read: %s", report.name, path.name, error)
                continue
            if len(data) > MOST_BYTES:
                limit = MOST_BYTES >> 20
                log.warning("The extension '%s' has a web/%s above %d MB, left out", report.name, path.name, limit)
                continue
            asset = asset_of(f"{report.name}-{path.name}", data)
            found[asset.name] = asset
    return found
