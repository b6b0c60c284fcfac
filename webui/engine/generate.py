"""A job's passes: which batches are to be made, from what noise, and how their latents become picture files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from webui.core.errors import InvalidField
from webui.core.registry import Registry, Sampler
from webui.core.request import GenerationRequest
from webui.engine.attention.shortcuts import Shortcuts
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.families.base import LoadedModel
from webui.engine.guidance import Guidance
from webui.engine.hooks import LaneHooks
from webui.engine.lanes import Guide, Handover, Lane, LaneEnd
from webui.engine.latents import noised
from webui.engine.memory.rungs import Relief
from webui.engine.noise import Drawing, LaneNoise
from webui.engine.passes import Second
from webui.engine.samplers.base import SamplerContext
from webui.engine.samplers.metered import metered
from webui.engine.schedules import ScheduleOptions, handover_sigma, levels_over, noise_levels, start_scale
from webui.engine.stock.lane import Post, StockLane
from webui.engine.stock.model import StockModel
from webui.engine.wordings import Wordings
from webui.plugins.builtin.stock import SAMPLER as STOCK_SAMPLER
from webui.plugins.manager import Plugins
from webui.plugins.meter import Meter


@dataclass(eq=False)
class Pass:
    """One pass over a job's pictures: what it is asked, and who computes it.

    place: of its model in the run's `models`. second: what makes it one over the pictures of a pass before it.
    """

    request: GenerationRequest
    checkpoint: Checkpoint
    place: int = 0
    second: Second | None = None
    guides: list[Guide] = field(default_factory=list)
    """Of its model, then of the refiner where there is one, with the texts as they understand them; none where the
    loop does not compute it.
    """


@dataclass(eq=False)
class Run:
    """One job in the engine: what is asked, what it holds, how far it is.

    `cancelled`, `ended` and `wants_preview` are flags that any thread may read; the rest is the loop's thread's, once
    the job has joined the loop.
    """

    job_id: str
    request: GenerationRequest
    done: frozenset[int]
    alone: bool
    batches: list[int]
    """Numbers of the batches that are still to be made, the current one left out."""
    owed: set[int] = field(default_factory=set)
    """Those of them that were begun, and are to be made anew."""
    loan: ExitStack = field(default_factory=ExitStack)
    models: list[LoadedModel | StockModel] = field(default_factory=list)
    """Lent to it: the checkpoint's, then those of the second pass and of the refiner where these are others."""
    checkpoints: list[Checkpoint] = field(default_factory=list)
    """What they were loaded from."""
    passes: list[Pass] = field(default_factory=list)
    """Those over its pictures, one or two; there are some once it has its models."""
    at: int = 0
    """The pass that its batch is in."""
    between: Batch | None = None
    """Its batch while that is on the way from one pass to the next."""
    under: Batch | None = None
    """Its batch as the pass before this one has left it."""
    to_come: int = 0
    """Steps of the passes after this one."""
    texts: dict[int, tuple[str, str]] | None = None
    """Prompt and negative prompt of those pictures for which extensions wrote others, by number; None before anybody
    was asked. Written once, as a batch may still be decoded, or be put back, while the run is made ready anew.
    """
    hires_texts: dict[int, tuple[str, str]] | None = None
    """The same of the second pass."""
    lane: Lane | StockLane | None = None
    batch: int = 0
    walked: int = 0
    """Steps of its batch that the passes before this one walked."""
    decoding: int = 0
    """Batches whose pictures are being decoded and encoded."""
    made: set[int] = field(default_factory=set)
    """Numbers of the pictures that were told."""
    ready: bool = False
    """Whether it has its models and texts, and has joined the loop."""
    ending: bool = False
    stopped: bool = False
    """Whether it ends at once: what was begun is not made anew either."""
    interrupted: bool = False
    cancelled: bool = False
    ended: bool = False
    wants_preview: bool = False
    preview_due: float = 0.0
    lane_started: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)
    """Sentences that the person was told."""

    @property
    def current(self) -> Pass:
        """The pass that its batch is in; there is one once the job has its models."""
        return self.passes[self.at]

    @property
    def model(self) -> LoadedModel | StockModel:
        """That of the pass, which decodes its pictures."""
        return self.models[self.current.place]

    @property
    def family(self) -> str:
        """That of the pass's model."""
        return self.current.checkpoint.family

    @property
    def following(self) -> Pass | None:
        """The pass after this one, where there is one."""
        return self.passes[self.at + 1] if self.at + 1 < len(self.passes) else None

    @property
    def busy(self) -> bool:
        """Whether a batch is being computed, or on its way from one pass to the next."""
        return self.lane is not None or self.between is not None

    @property
    def goes_on(self) -> bool:
        """Whether another batch is to be made: of a job that ends after its picture only one that was begun already."""
        if not self.batches or self.stopped:
            return False
        return not self.ending or self.batches[0] in self.owed

    def begin(self, batch: int) -> None:
        """This batch is made from now on, in the first pass."""
        self.batch, self.at, self.walked, self.under = batch, 0, 0, None
        self.owed.discard(batch)

    def ended_pass(self, end: LaneEnd, following: Pass | None = None) -> Batch:
        """Its batch, whose pass has ended so. following: the pass that comes next."""
        batch = Batch(self, self.batch, end, self.model, self.current.place)
        if following is None:
            return batch
        return replace(batch, second=following.second, onto=self.models[following.place], onto_place=following.place)

    def forget(self, batch: Batch) -> None:
        """A batch that was being developed is not any more."""
        if batch.second is None:
            self.decoding -= 1
        else:
            self.between = None

    def put_back(self, *batches: int) -> None:
        """Have batches that were begun made anew, before all others."""
        self.batches[:0] = batches
        self.owed.update(batches)

    def spend(self, stage: str, seconds: float) -> None:
        """Add to a stage's time."""
        self.timings[stage] = self.timings.get(stage, 0.0) + seconds


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A batch whose pass has ended: its number, the latents or pictures, and the model that decodes them, with the
    place in the run's `models`. second: the pass that comes next, where one does; `onto`: its model, with the place.
    """

    run: Run
    number: int
    end: LaneEnd
    model: Any
    place: int = 0
    second: Second | None = None
    onto: Any = None
    onto_place: int = 0

    @property
    def is_left(self) -> bool:
        """Whether nobody waits for its next pass any more."""
        return self.second is not None and self.run.between is not self

    def with_model(self, new: Any, old: Any) -> Batch:
        """The same with a model in place of another."""
        return replace(self, **{name: new for name in ("model", "onto") if getattr(self, name) is old})

    def as_it_is(self) -> Batch:
        """The same to be decoded, without the pass that would come next."""
        end = replace(self.end, stopped_at=self.run.walked)
        return replace(self, end=end, second=None, onto=None)


def missing_batches(request: GenerationRequest, done: frozenset[int]) -> list[int]:
    """The batches that have a picture which is not done: each is made whole, so that it comes out as it would have."""
    size = request.batch_size
    return [b for b in range(request.n_iter) if not done.issuperset(range(b * size, (b + 1) * size))]


def make_lane(
    run: Run,
    registry: Registry,
    resolve: Callable[[str], Any],
    hooks: LaneHooks | None,
    on_step: Callable[[Lane], None],
    on_end: Callable[[LaneEnd], None],
    on_note: Callable[[str], None] = lambda _: None,
    *,
    plugins: Plugins,
    over: Tensor | None = None,
) -> Lane:
    """A lane for the run's current batch in its current pass, ready to start.

    plugins: run what extensions have written. over: the latents that a second pass draws over.
    """
    this = run.current
    request, guides = this.request, [guide.of_batch(run.batch * run.request.batch_size) for guide in this.guides]
    model = guides[0].model
    sampler = registry.samplers.get(request.sampler_name)
    levels = model.schedule_at(request.width, request.height)
    options, meter = ScheduleOptions.of(request), plugins.meter
    sigmas = _sigmas(this, registry, resolve, meter)
    later = run.passes[run.at + 1 :]
    run.to_come = sum(len(_sigmas(one, registry, resolve, meter)) - 1 for one in later)
    seeds = _seeds(run)
    factor = model.latent_factor
    shape = (model.latent_channels, request.height // factor, request.width // factor)
    noise = LaneNoise(seeds, shape, model.device, _drawing(run, sampler, factor))
    if over is None:
        start = noise.start() * start_scale(sampler, sigmas[0], levels, options)
    else:
        start = noised(over.to(model.device), noise.start(), sigmas[0], flow=levels.flow)
    start = start if hooks is None else hooks.before_sampling(start, sigmas[0])
    asked = {name: getattr(request, name) for name in sampler.options}
    own = plugins.options_of(sampler.extension, request)
    context = SamplerContext(sigmas, this.second.calls if this.second else request.steps, noise, levels, asked, own)
    handover = Handover(handover_sigma(levels, request.refiner_switch_at), guides[1]) if guides[1:] else None
    return Lane(
        guides[0],
        request.attention,
        metered(sampler, lambda: resolve(sampler.function)(start, context), meter),
        Guidance.of(request),
        len(sigmas) - 1,
        handover=handover,
        shortcuts=Shortcuts.of(request),
        alone=run.alone or request.alone,
        hooks=hooks,
        request=request,
        end_sigma=sigmas[-1],
        on_step=on_step,
        on_end=on_end,
        on_note=on_note,
    )


def _sigmas(this: Pass, registry: Registry, resolve: Callable[[str], Any], meter: Meter) -> list[float]:
    """The noise levels that a pass walks; one more than its steps."""
    request, model = this.request, this.guides[0].model
    sampler, schedule = registry.samplers.get(request.sampler_name), registry.schedules.get(request.scheduler)
    levels = model.schedule_at(request.width, request.height)
    means = levels, registry, resolve, ScheduleOptions.of(request), meter
    if this.second is None:
        return noise_levels(sampler, schedule, request.steps, *means)
    return levels_over(sampler, schedule, this.second.laid, this.second.calls, *means)


def make_stock_lane(
    run: Run,
    post: Post,
    welcome: Callable[[StockLane], None],
    on_step: Callable[[StockLane], None],
    on_end: Callable[[LaneEnd], None],
    on_note: Callable[[str], None] = lambda _: None,
    relief: Relief | None = None,
) -> StockLane:
    """The same where the run's model is a stock pipeline; its `run` is to be called on a thread of its own.

    Raises InvalidField for what such a pipeline does not know.
    """
    request, model = run.request, run.model
    assert isinstance(model, StockModel)
    if request.sampler_name != STOCK_SAMPLER or request.scheduler != STOCK_SAMPLER:
        raise InvalidField(
            "This model runs through its own pipeline, which brings its own sampler and schedule.",
            field="sampler_name",
            remedies=(f"Set sampler and schedule to {STOCK_SAMPLER}",),
        )
    return StockLane(
        model,
        request,
        _seeds(run),
        _texts(run, on_note),
        post=post,
        welcome=welcome,
        on_step=on_step,
        on_end=on_end,
        on_note=on_note,
        relief=relief,
    )


def _seeds(run: Run) -> list[int]:
    """Those of the run's current batch."""
    first = run.batch * run.request.batch_size
    return [run.request.seed_of(index) for index in range(first, first + run.request.batch_size)]


def _texts(run: Run, on_note: Callable[[str], None]) -> list[tuple[str, str]]:
    """The same of the texts, as a stock pipeline takes them; what means nothing to it is told."""
    request, own = run.request, run.texts or {}
    first, wordings = run.batch * request.batch_size, Wordings(request, request.steps, emphasis=False)
    pairs = (own.get(index, request.templates) for index in range(first, first + request.batch_size))
    texts = [(wordings.as_one(prompt), wordings.as_one(negative, negative=True)) for prompt, negative in pairs]
    for note in wordings.notes:
        on_note(note)
    return texts


def _drawing(run: Run, sampler: Sampler, factor: int) -> Drawing:
    """How the noise of the run's current batch is drawn. factor: pixels a latent cell, along each side."""
    request, first = run.request, run.batch * run.request.batch_size
    return Drawing(
        request.randn_source,
        tuple(request.subseed_of(index) for index in range(first, first + request.batch_size)),
        request.subseed_strength,
        (request.seed_resize_from_h // factor, request.seed_resize_from_w // factor),
        request.eta_noise_seed_delta if sampler.uses_ensd else 0,
    )
