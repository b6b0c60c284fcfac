"""What becomes of a lane's latents beside the loop: pictures, or the larger latents that a second pass draws over."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from webui.core.errors import BadNumbers
from webui.core.events import Output
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.second_pass import second_files
from webui.engine.enlarging import enlarged
from webui.engine.finishing import finish_batch
from webui.engine.generate import Batch, Run
from webui.engine.latents import BadEncoding, BadLatents
from webui.engine.memory.decoding import decode_within
from webui.engine.memory.rungs import Relief
from webui.engine.overflows import Role
from webui.plugins.manager import Plugins
from webui.plugins.resolve import resolve


@dataclass(frozen=True, slots=True)
class Cause:
    """Whose numbers were bad: a part of this model, at this place in its run's `models`, read from these files."""

    role: Role
    model: Any
    place: int
    files: GenerationRequest

    @classmethod
    def of(cls, batch: Batch, error: BadNumbers) -> Cause:
        """The cause of what was found wrong with a batch's numbers."""
        role: Role = "denoiser" if isinstance(error, BadLatents) else "vae"
        encoding = isinstance(error, BadEncoding)
        model, place = (batch.onto, batch.onto_place) if encoding else (batch.model, batch.place)
        request = batch.run.request
        return cls(role, model, place, (second_files(request) if place else None) or request)


@dataclass(frozen=True, slots=True)
class Heard:
    """Who hears what became of batches; all return at once, whatever thread calls them."""

    emit: Callable[[Run, Output], None]
    note: Callable[[Run, str], None]
    decoded: Callable[[Batch, float], None]
    """All its pictures were told; the seconds that took."""
    enlarged: Callable[[Batch, Tensor, float], None]
    """The latents that the next pass draws over."""
    overflowed: Callable[[Batch, BadNumbers], None]
    failed: Callable[[Batch, BaseException], None]


class Developing:
    """Decodes, enlarges and encodes on threads of its own. All methods return at once."""

    def __init__(
        self, heard: Heard, relief: Relief, registry: Registry, plugins: Plugins, compress_level: int, threads: int
    ) -> None:
        """compress_level: of PNG files."""
        self._heard, self._relief, self._registry = heard, relief, registry
        self._plugins, self._compress_level = plugins, compress_level
        self._pool = ThreadPoolExecutor(threads, "engine-decode")

    def decode(self, batch: Batch) -> None:
        """Make picture files of a batch; ends in `decoded`, `overflowed`, `failed`, or in nothing if its run ended."""
        self._pool.submit(self._guarded, batch, self._decode)

    def enlarge(self, batch: Batch) -> None:
        """Make the latents of a batch's next pass; ends in `enlarged`, `overflowed`, `failed`, or in nothing too."""
        self._pool.submit(self._guarded, batch, self._enlarge)

    def close(self) -> None:
        """Stop the threads; waits for what they are at."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @torch.inference_mode()
    def _decode(self, batch: Batch) -> None:
        started, run = time.perf_counter(), batch.run
        decode = partial(decode_within, self._relief, batch.model, tell=partial(self._heard.note, run))
        for picture in finish_batch(run, batch.number, batch.end, decode, self._plugins, self._compress_level):
            if run.ended or run.cancelled:
                return
            run.made.add(picture.index)
            self._heard.emit(run, picture)
        self._heard.decoded(batch, time.perf_counter() - started)

    @torch.inference_mode()
    def _enlarge(self, batch: Batch) -> None:
        started, run, second, latents = time.perf_counter(), batch.run, batch.second, batch.end.latents
        if run.ended or run.cancelled or batch.is_left:
            return
        assert second is not None and latents is not None
        upscaler = self._registry.upscalers.get(second.hires.hr_upscaler)
        tell = partial(self._heard.note, run)
        made = enlarged(latents, second.target, upscaler, batch.model, batch.onto, resolve, self._relief, tell)
        self._heard.enlarged(batch, made, time.perf_counter() - started)

    def _guarded(self, batch: Batch, act: Callable[[Batch], None]) -> None:
        try:
            act(batch)
        except BadNumbers as error:
            self._heard.overflowed(batch, error.with_traceback(None))
        except (Exception, SystemExit) as error:  # noqa: BLE001 whatever goes wrong with one job becomes that job's end
            self._heard.failed(batch, error)
