"""The works that there are: merge, convert, prune and download models, and describe pictures with one."""

from __future__ import annotations

from webui.core.caption_request import TASK, Caption
from webui.core.model_work import Convert, Download, Merge, Prune
from webui.core.registry import Work
from webui.plugins.hooks import hookimpl

_LIBRARY, _WORK = "webui.engine.work.library", "webui.engine.work"
_CAPTIONS = "webui.engine.captions"


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
        Work(
            TASK,
            "Interrogate",
            Caption,
            f"{_CAPTIONS}.files:accept_caption",
            f"{_CAPTIONS}.files:caption_files",
            f"{_CAPTIONS}.describe:caption",
        ),
    ]
