"""The scripts and sheets of extensions, web/*.js and web/*.css, as the page loads them: after our own."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from webui.plugins.manager import ExtensionReport
from webui.ui.assets import Asset, asset_of

log = logging.getLogger(__name__)

MOST_BYTES = 4 << 20
"""Of one file; a page must not wait for more."""


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
