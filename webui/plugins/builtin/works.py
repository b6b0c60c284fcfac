"""The works on models that there are: merge, convert, prune, download."""

from __future__ import annotations

from webui.core.model_work import Convert, Download, Merge, Prune
from webui.core.registry import Work
from webui.plugins.hooks import hookimpl

_LIBRARY, _WORK = "webui.engine.work.library", "webui.engine.work"


@hookimpl
def works() -> list[Work]:
    """A row for each; what they need is resolved where it is done."""
    return [
        Work("merge", "Merge", Merge, f"{_LIBRARY}:accept_merge", f"{_LIBRARY}:merge_files", f"{_WORK}.merge:merge"),
        Work(
            "convert",
            "Convert",
            Convert,
            f"{_LIBRARY}:accept_convert",
            f"{_LIBRARY}:convert_files",
            f"{_WORK}.convert:convert",
        ),
        Work("prune", "Prune", Prune, f"{_LIBRARY}:accept_prune", f"{_LIBRARY}:prune_files", f"{_WORK}.prune:prune"),
        Work(
            "download",
            "Download",
            Download,
            f"{_LIBRARY}:accept_download",
            f"{_LIBRARY}:download_files",
            f"{_WORK}.download.fetch:fetch",
        ),
    ]
