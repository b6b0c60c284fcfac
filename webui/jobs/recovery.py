"""What a start finds after whatever end the last process had, brought into order before anything runs."""

from __future__ import annotations

import logging
import time

from webui.core.errors import StorageProblem
from webui.images.store import PictureStore
from webui.jobs.queue import Queue

log = logging.getLogger(__name__)

_MARGIN_SECONDS = 24 * 3600.0
"""Folders' times come from the disk's machine, whose clock may differ from ours."""


def take_up(queue: Queue, store: PictureStore) -> None:
    """Running jobs wait again, and numbers reserved for a row that was never written, or is gone, become free."""
    queue.recover()
    began = time.time()
    try:
        freed = store.sweep(queue.all_reserved(), queue.swept - _MARGIN_SECONDS)
        queue.swept = began
    except StorageProblem as problem:
        log.warning("Numbers reserved before a crash stay taken for now: %s", problem.detail)
        return
    if freed:
        log.info("%d numbers of pictures that a crash had left reserved are free again.", freed)
