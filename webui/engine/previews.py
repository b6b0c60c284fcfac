"""Live previews: only while somebody looks, only the newest, and never more than a small share of the time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from webui.core.errors import BadNumbers
from webui.core.events import Output, Preview
from webui.engine.generate import Run
from webui.engine.lanes import Lane
from webui.engine.latents import Decoder, preview
from webui.engine.stock.lane import StockLane
from webui.engine.tiny_decoders import TinyDecoders

log = logging.getLogger(__name__)

# After a preview that took t seconds the job's next one is made 9 t later: a tenth of one core for all jobs together.
_REST = 9.0


class Previewer:
    """Makes previews on a thread of its own. While one is made, offers are declined: the next step brings a newer."""

    def __init__(self, emit: Callable[[Run, Output], None], tiny: TinyDecoders) -> None:
        """tiny: what decodes in place of a model's own autoencoder, where it can."""
        self._emit, self._tiny = emit, tiny
        self._pool = ThreadPoolExecutor(1, "engine-preview")
        self._busy = threading.Lock()

    def offer(self, run: Run, lane: Lane | StockLane, sharers: int) -> None:
        """Show the lane's newest prediction, if there is time for it; called by the loop's thread.

        sharers: how many jobs want previews now; the more they are, the rarer each one's.
        """
        if time.perf_counter() < run.preview_due:
            return
        denoised = lane.newest
        if denoised is not None and self._busy.acquire(blocking=False):
            self._pool.submit(self._make, run, run.family, run.model, denoised, sharers)

    def close(self) -> None:
        """Stop the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @torch.inference_mode()
    def _make(self, run: Run, family: str, model: Decoder, denoised: Tensor, sharers: int) -> None:
        started = time.perf_counter()
        try:
            self._emit(run, Preview(preview(self._tiny.of(family) or model, denoised)))
        except BadNumbers:
            # The picture itself will fail with the same sentence.
            log.debug("No preview of job %s: its numbers are bad.", run.job_id)
        except RuntimeError as error:
            log.warning("A preview failed: %s", error)
        finally:
            now = time.perf_counter()
            run.preview_due = now + _REST * sharers * (now - started)
            self._busy.release()
