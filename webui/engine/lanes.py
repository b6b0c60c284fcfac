"""A lane: one batch of one request on its way through the loop, with its sampler, conditioning and guidance."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from PIL import Image
from torch import Tensor

from webui.core.errors import DarkroomError
from webui.core.request import GenerationRequest
from webui.engine.adapters.fitting import AdapterSet
from webui.engine.adapters.timeline import WITHOUT, AdapterTimeline
from webui.engine.attention.shortcuts import WHOLE, Shortcuts
from webui.engine.conditioning import Composition, Timeline
from webui.engine.families.base import Conditioning, LoadedModel
from webui.engine.guidance import Guidance, Guided, composed
from webui.engine.hooks import LaneHooks, Patches
from webui.engine.samplers.base import Answer, Ask, Sampling

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GroupKey:
    """Lanes with equal keys may share a forward pass. `alone` is something unique for those that share nothing."""

    model: int
    attention: str
    shortcuts: Shortcuts
    latent_shape: tuple[int, ...]
    alone: Hashable = None
    patch: Hashable = None
    """The same for equal changes of the model by extensions."""
    adapters: Hashable = ()
    """The same for adapters that make the same of the model."""


@dataclass(frozen=True, slots=True)
class Guide:
    """A model, and the texts as it understands them. negative: None when guidance is off.

    own: the texts of pictures that have others, by their number. adapters: what is merged into the model;
    batches: the guides of those with other adapters, by the number of their first picture.
    """

    model: LoadedModel
    prompt: Composition
    negative: Timeline | None
    own: Mapping[int, tuple[Composition, Timeline | None]] = field(default_factory=dict)
    adapters: AdapterTimeline = WITHOUT
    batches: Mapping[int, Guide] = field(default_factory=dict)

    def of_batch(self, first: int) -> Guide:
        """The same where pictures are numbered from `first`."""
        guide = self.batches.get(first, self)
        return replace(guide, own={number - first: texts for number, texts in guide.own.items()}, batches={})

    def prompts(self, places: Iterable[int]) -> list[Composition]:
        """What these pictures are to show."""
        return [self.own[place][0] if place in self.own else self.prompt for place in places]

    def negatives(self, places: Iterable[int]) -> list[Timeline]:
        """What they are not to show; only where guidance is on."""
        chosen = (self.own[place][1] if place in self.own else self.negative for place in places)
        return [timeline for timeline in chosen if timeline is not None]


@dataclass(frozen=True, slots=True)
class Handover:
    """From the first ask on whose noise level is not above `sigma`, `guide` answers: a refiner."""

    sigma: float
    guide: Guide


@dataclass(frozen=True, slots=True)
class LaneEnd:
    """How a lane ended: latents (batch, channels, height/8, width/8), cut short at `stopped_at`, or an error.

    latents: of fewer pictures than the batch has where it was cut short before the last ones were begun. images: the
    batch's pictures themselves, in order, perhaps without the last, from where latents are decoded as part of the
    computing (engine/stock).
    """

    latents: Tensor | None
    stopped_at: int | None = None
    error: BaseException | None = None
    images: Sequence[Image.Image] | None = None


class Lane:
    """The loop's side of a sampler: keeps its open ask, guides the answers, and tells of steps and of the end.

    All methods are called by the loop's thread only.
    """

    def __init__(
        self,
        guide: Guide,
        attention: str,
        sampling: Sampling,
        guidance: Guidance,
        steps: int,
        *,
        handover: Handover | None = None,
        shortcuts: Shortcuts = WHOLE,
        alone: bool = False,
        hooks: LaneHooks | None = None,
        request: GenerationRequest | None = None,
        end_sigma: float = 0.0,
        on_step: Callable[[Lane], None],
        on_end: Callable[[LaneEnd], None],
        on_note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """steps: how many the sampler will walk.

        The sampling must be fresh. request, end_sigma: what hooks are told, the latter as the last noise level.
        on_note: may hear a sentence again.
        """
        self.attention = attention
        self.shortcuts = shortcuts
        self.steps = steps
        self.done_steps = 0
        self.denoised: Tensor | None = None
        """The newest guided predictions of the clean latents, of those pictures of the batch that have one."""
        self.ended = False
        self._sampling = sampling
        self._beginning = (guide, handover)
        self._guide, self._handover = self._beginning
        self._guidance = guidance
        self._calls = 0
        """Questions of the sampler so far, of this picture where each is made alone; the open one left out."""
        self._alone = alone
        self._hooks = hooks
        self._request = request or GenerationRequest()
        self._end_sigma = end_sigma
        self._on_step = on_step
        self._on_end = on_end
        self._on_note = on_note
        self._ask: Ask | None = None
        self._last_steps: dict[int, int] = {}
        """Of each picture that was made alone, the number of its newest step."""

    @property
    def newest(self) -> Tensor | None:
        """The prediction that shows best how far the lane is: of the picture being made, (1, channels, ...)."""
        if self.denoised is None:
            return None
        return self.denoised[:1] if self._ask is None or self._ask.place is None else self.denoised[-1:]

    @property
    def model(self) -> LoadedModel:
        """Whose the open ask is to answer."""
        return self._guide.model

    @property
    def key(self) -> GroupKey:
        """What decides with whom this lane shares; known once it has started. A handover changes it."""
        shape, alone = tuple(self.ask.x.shape[1:]), self if self._alone else None
        patch = self.patches.key if self.patches is not None else None
        return GroupKey(id(self.model), self.attention, self.shortcuts, shape, alone, patch, self.adapters.key)

    @property
    def adapters(self) -> AdapterSet:
        """What is merged into the model for the open ask; it may change between steps."""
        ask = self.ask
        step = ask.step if ask.place is None else ask.place.step
        return self._guide.adapters.at(step / self.steps)

    @property
    def patches(self) -> Patches | None:
        """How extensions change the model for this lane's forward passes."""
        return None if self._hooks is None else self._hooks.patches

    @property
    def ask(self) -> Ask:
        """The open question."""
        if self._ask is None:
            raise DarkroomError("A lane was asked for its question while it had none.")
        return self._ask

    @property
    def rows(self) -> int:
        """Rows that the open ask takes in a forward pass."""
        pictures = 0 if self._negative is None else self.ask.x.shape[0]
        return pictures + sum(len(prompt.parts) for prompt in self._prompts)

    @property
    def _places(self) -> Sequence[int]:
        """The numbers in the batch of the pictures that the open ask is about."""
        ask = self.ask
        return range(ask.x.shape[0]) if ask.place is None else (ask.place.index,)

    @property
    def _prompts(self) -> list[Composition]:
        return self._guide.prompts(self._places)

    @property
    def _negative(self) -> Timeline | None:
        """The negative text that the open ask is to be answered with, None where guidance is off or left out."""
        ask = self.ask
        step = ask.step if ask.place is None else ask.place.step
        asked = self._guidance.is_asked(ask.sigma, step, self.steps, self._calls)
        return self._guide.negative if asked else None

    def start(self) -> None:
        """Run the sampler to its first ask."""
        self._advance(None)

    def conditionings(self) -> list[Conditioning]:
        """Of each row of the open ask: first the pictures' negative texts, then of each picture those of its prompt."""
        rows = [one for prompt in self._prompts for one in prompt.at(self._calls)]
        if self._negative is None:
            return rows
        return [timeline.at(self._calls) for timeline in self._guide.negatives(self._places)] + rows

    def inputs(self) -> list[Tensor]:
        """The latents of the rows, in the order of `conditionings`, as tensors to be joined."""
        x, counts = self.ask.x, [len(prompt.parts) for prompt in self._prompts]
        rows = (
            [x]
            if max(counts) == 1
            else [one.expand(n, *x.shape[1:]) for one, n in zip(x.split(1), counts, strict=True)]
        )
        return rows if self._negative is None else [x, *rows]

    def tell(self, notes: Iterable[str]) -> None:
        """Pass on sentences about how its answers are computed."""
        for note in notes:
            self._on_note(note)

    def answer(self, denoised: Tensor) -> None:
        """Take the predictions of this lane's rows, guide them, and run the sampler to its next ask or to its end."""
        weights = [prompt.weights for prompt in self._prompts]
        if self._negative is None:
            cond = composed(None, denoised, weights)
            given = Answer(cond)
        else:
            uncond, rows = denoised.split([len(weights), len(denoised) - len(weights)])
            cond = composed(uncond, rows, weights)
            given = Answer(self._guidance.join(uncond, cond), uncond)
        if self._hooks is not None and self._hooks.guides:
            try:
                given = replace(given, denoised=self._hooks.guide(self._guided(given, cond), _place(self.ask)))
            except (Exception, SystemExit) as error:  # noqa: BLE001 an extension's failure ends its lane only
                self.fail(error)
                return
        self._calls += 1
        self.denoised = self._whole(given.denoised)
        self._advance(given)

    def _guided(self, given: Answer, cond: Tensor) -> Guided:
        ask, scale = self.ask, self._guidance.scale
        step = ask.step if ask.place is None else ask.place.step
        flow = self.model.schedule_at(self._request.width, self._request.height).flow
        return Guided(
            ask.x, ask.sigma, step, self.steps, cond, given.uncond, scale, given.denoised, self._request, flow
        )

    def _whole(self, denoised: Tensor) -> Tensor:
        """The batch's newest predictions, where only one of its pictures was asked about."""
        if self.ask.place is None:
            return denoised
        before = denoised[:0] if self.denoised is None else self.denoised
        return torch.cat([before[: self.ask.place.index], denoised])

    def stop(self) -> None:
        """End at this step with the picture as far as it got; without one when nothing was predicted yet."""
        self._end_well(LaneEnd(self.denoised, stopped_at=max(self.done_steps, 1)))

    def fail(self, error: BaseException) -> None:
        """End with an error."""
        self._end(LaneEnd(None, error=error))

    def abandon(self) -> None:
        """End without telling anybody."""
        self.ended = True
        self._sampling.close()

    def _advance(self, given: Answer | None) -> None:
        before = self._ask
        try:
            ask = next(self._sampling) if given is None else self._sampling.send(given)
        except StopIteration as stop:
            self._finish(stop.value)
            return
        except (Exception, SystemExit) as error:  # noqa: BLE001 whatever a sampler raises ends its own lane only
            self.fail(error)
            return
        self._ask = ask
        another = bool(before and before.place and ask.place and before.place.index != ask.place.index)
        if another:
            self._guide, self._handover = self._beginning
            self._calls = 0
        if ask.place is not None:
            self._last_steps[ask.place.index] = ask.step
        if self._handover is not None and ask.sigma <= self._handover.sigma:
            self._guide, self._handover = self._handover.guide, None
        if before is None or another or ask.step > before.step:
            # The latents that a picture ends with come with those of all others, at the end.
            self._boundary(ask, None if before is None or another else before.step)

    def _boundary(self, ask: Ask, finished: int | None) -> None:
        if self._hooks is not None:
            try:
                if finished is not None:
                    _replace(ask.x, self._hooks.after_step(ask.x, finished, ask.sigma, _place(ask)))
                _replace(ask.x, self._hooks.before_step(ask.x, ask.step, ask.sigma, _place(ask)))
            except (Exception, SystemExit) as error:  # noqa: BLE001 an extension's failure ends its lane only
                self.fail(error)
                return
        self.done_steps = ask.step
        self._on_step(self)

    def _finish(self, latents: Tensor) -> None:
        if self._hooks is not None and self._ask is not None:
            try:
                latents = self._after_last(self._hooks, latents, self._ask)
            except (Exception, SystemExit) as error:  # noqa: BLE001 an extension's failure ends its lane only
                self.fail(error)
                return
        self.done_steps = self.steps
        self._on_step(self)
        self._end_well(LaneEnd(latents))

    def _after_last(self, hooks: LaneHooks, latents: Tensor, ask: Ask) -> Tensor:
        if ask.place is None:
            return hooks.after_step(latents, ask.step, self._end_sigma)
        rows = enumerate(latents.split(1))
        return torch.cat(
            [hooks.after_step(row, self._last_steps[index], self._end_sigma, index) for index, row in rows]
        )

    def _end_well(self, end: LaneEnd) -> None:
        """End with latents, unless an extension has made something else of them than numbers."""
        try:
            if self._hooks is not None:
                self._hooks.verify()
        except (Exception, SystemExit) as error:  # noqa: BLE001 an extension's failure ends its lane only
            self.fail(error)
        else:
            self._end(end)

    def _end(self, end: LaneEnd) -> None:
        if not self.ended:
            self.ended = True
            self._sampling.close()
            self._on_end(end)


def _place(ask: Ask) -> int | None:
    """The one picture of the batch that a question is about, where it is not about all."""
    return None if ask.place is None else ask.place.index


def _replace(latents: Tensor, new: Tensor) -> None:
    """Write a hook's latents over the sampler's own, so that the sampler goes on with them."""
    if new is not latents:
        latents.copy_(new)
