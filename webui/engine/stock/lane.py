"""One batch of a request on its way through a stock pipeline, seen by the loop as it sees a lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from webui.core.errors import OutOfMemory
from webui.core.request import GenerationRequest
from webui.engine import latents as latent_space
from webui.engine.device import is_fatal
from webui.engine.lanes import LaneEnd
from webui.engine.memory.ladder import Rung, Shape
from webui.engine.memory.rungs import TILES, Relief, evicting, freeing, ways_out
from webui.engine.stock.model import StockModel
from webui.engine.stock.turns import Abandoned, Turns

Post = Callable[[Callable[[], None]], None]
"""Has the loop's thread call a function."""


class StockLane:
    """A `Guest` of the denoiser (denoise.py): `run` computes on a thread of its own, in turns with the loop.

    All other public methods are called by the loop's thread only, and `on_step` and `on_end` are called there. A batch
    that is stopped goes to its end without computing and comes out as it was predicted at that step. Hooks of
    extensions see nothing of it: its latents are in a form of the pipeline's own.
    """

    def __init__(
        self,
        model: StockModel,
        request: GenerationRequest,
        seeds: Sequence[int],
        texts: Sequence[tuple[str, str]] = (),
        *,
        post: Post,
        welcome: Callable[[StockLane], None],
        on_step: Callable[[StockLane], None],
        on_end: Callable[[LaneEnd], None],
        on_note: Callable[[str], None] = lambda _: None,
        relief: Relief | None = None,
    ) -> None:
        """post: see `Post`. welcome: called on the loop's thread when the computation waits for a turn.

        texts: see `StockModel.draw`. relief: what is done when memory runs out. on_note: hears of it, on the loop's
        thread.
        """
        self.model = model
        self._stages = model.stages(request.steps, len(seeds))
        self.steps = sum(self._stages)
        self.done_steps = 0
        self.spent = 0.0
        """Seconds of the device, as the denoiser counts them."""
        self.ended = False
        self._request, self._seeds, self._texts = request, tuple(seeds), tuple(texts)
        self._post, self._on_step, self._on_end, self._on_note = post, on_step, on_end, on_note
        self._relief = relief or Relief()
        self._turns = Turns(lambda: post(lambda: welcome(self)))
        self._latents: Tensor | None = None
        self._fatal: BaseException | None = None
        # The run's thread's own:
        self._tiled = False
        self._cut = False
        self._until = 0
        """Steps that are to be made though the batch is cut short, since memory ran out only after them."""
        self._begun = False
        self._before, self._done = 0, 0
        self._newest: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.device

    @property
    def newest(self) -> Tensor | None:
        """The first picture's newest predicted latents for a preview; None when there are none that can be shown."""
        if self._latents is None or self.done_steps >= self.steps:
            return None
        return self.model.unpacked(self._latents, self._request.width, self._request.height)

    def turn(self) -> None:
        """Let the computation make its next forward pass."""
        self._turns.turn()
        if self._fatal is not None:
            raise self._fatal

    def stop(self) -> None:
        """End at this step with the pictures as far as they got; without any when nothing was predicted yet."""
        if self.done_steps == 0:
            self._turns.abandon()
            self._finish(LaneEnd(None))
        else:
            self._cut = True
            self._turns.free()

    def abandon(self) -> None:
        """End without telling anybody."""
        self.ended = True
        self._turns.abandon()

    # On the run's thread

    @torch.inference_mode()
    def run(self) -> None:
        """Compute the batch; tells everything through `post`, and raises nothing."""
        if self.ended:
            return
        try:
            images = self._drawn()
        except Abandoned:
            pass
        except (Exception, SystemExit) as error:  # noqa: BLE001 whatever a pipeline raises ends its own batch only
            self._failed(error)
        else:
            stopped = self._done if self._cut and self._done < self.steps else None
            self._post(lambda: self._finish(LaneEnd(None, stopped, images=images)))
        finally:
            self._turns.give()

    def _drawn(self) -> Sequence[Image.Image]:
        """The pictures, begun anew after each time that memory ran out."""
        request = self._request
        rungs = (
            freeing(self.device),
            evicting(self._relief.evict),
            Rung(
                TILES,
                "Memory is short, so the VAE decodes the picture by tiles.",
                self._tile,
                lambda _: bool(self._tile()),
            ),
        )
        return self._relief.ladder.run(
            Shape("draw", self.model.row.runs, request.width * request.height),
            rungs,
            self._attempt,
            lambda note: self._post(lambda: self._on_note(note)),
            lambda: OutOfMemory(
                f"There is not enough memory for pictures of this size ({request.width} × {request.height}).",
                field="width",
                remedies=ways_out(self.device, "Lower the size or batch size"),
            ),
        )

    def _attempt(self) -> Sequence[Image.Image]:
        self._stages = self.model.stages(self._request.steps, len(self._seeds))
        self._until = self._done if self._cut else 0
        self._before, self._done, self._newest = 0, 0, None
        return tuple(self.model.draw(self._request, self._seeds, self, texts=self._texts, tiled=self._tiled))

    def _tile(self) -> int:
        if self._tiled or not self.model.tiles:
            return 0
        self._tiled = True
        return 1

    def before_forward(self) -> bool:
        """See `Watcher`."""
        if not self._begun:
            self._begun = True
            self._post(lambda: self._stepped(0, None))
        if not self._cut:
            self._turns.take()
        if self._is_cut and self._newest is not None:
            latent_space.check(self._newest)
        return not self._is_cut

    def after_step(self, share: float, latents: Tensor) -> None:
        """See `Watcher`."""
        stage = self._stages[0]
        done = self._before + max(1, int(share * stage))
        if share >= 1.0:
            done = self._before = self._before + stage
            # A pipeline with another number of stages than is known repeats its last.
            self._stages = self._stages[1:] or [0]
            latent_space.check(latents)
            # What comes now is decoding, or another stage's text, and neither is a step.
            self._turns.give()
        done = min(done, self.steps)
        if not self._is_cut:
            self._done, self._newest = done, latents
            self._post(lambda: self._stepped(done, latents))

    @property
    def _is_cut(self) -> bool:
        """Whether what comes now is no step any more."""
        return self._cut and self._done >= self._until

    def _failed(self, error: BaseException) -> None:
        if is_fatal(error):
            self._fatal = error
        end = LaneEnd(None, error=error)
        self._post(lambda: self._finish(end))

    # On the loop's thread

    def _stepped(self, done: int, latents: Tensor | None) -> None:
        if not self.ended:
            self.done_steps, self._latents = done, latents
            self._on_step(self)

    def _finish(self, end: LaneEnd) -> None:
        if not self.ended:
            self.ended = True
            self._latents = None
            self._on_end(end)
