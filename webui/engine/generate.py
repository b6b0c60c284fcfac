"""A job's passes: which batches are to be made, from what noise, and how their latents become picture files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from webui.core.errors import InvalidField
from webui.core.registry import Registry, Sampler
from webui.core.request import GenerationRequest
from webui.engine.attention.shortcuts import Shortcuts
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.families.base import LoadedModel
from webui.engine.guidance import Guidance
from webui.engine.hooks import LaneHooks
from webui.engine.lanes import Guide, Handover, Lane, LaneEnd
from webui.engine.memory.rungs import Relief
from webui.engine.noise import Drawing, LaneNoise
from webui.engine.samplers.base import SamplerContext
from webui.engine.samplers.metered import metered
from webui.engine.schedules import ScheduleOptions, handover_sigma, noise_levels, start_scale
from webui.engine.stock.lane import Post, StockLane
from webui.engine.stock.model import StockModel
from webui.engine.wordings import Wordings
from webui.plugins.builtin.stock import SAMPLER as STOCK_SAMPLER
from webui.plugins.manager import Plugins


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
    """Lent to it: the checkpoint's, then the refiner's where there is one."""
    checkpoints: list[Checkpoint] = field(default_factory=list)
    """What they were loaded from."""
    guides: list[Guide] = field(default_factory=list)
    """Of those that the loop computes, with the texts as they understand them."""
    texts: dict[int, tuple[str, str]] | None = None
    """Prompt and negative prompt of those pictures for which extensions wrote others, by number; None before anybody
    was asked. Written once, as a batch may still be decoded, or be put back, while the run is made ready anew.
    """
    lane: Lane | StockLane | None = None
    batch: int = 0
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
    family: str = ""
    """The checkpoint's."""
    lane_started: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)
    """Sentences that the person was told."""

    @property
    def model(self) -> LoadedModel | StockModel:
        """The checkpoint's, which decodes the pictures; there is one once the job has joined the loop."""
        return self.models[0]

    @property
    def goes_on(self) -> bool:
        """Whether another batch is to be made: of a job that ends after its picture only one that was begun already."""
        if not self.batches or self.stopped:
            return False
        return not self.ending or self.batches[0] in self.owed

    def put_back(self, *batches: int) -> None:
        """Have batches that were begun made anew, before all others."""
        self.batches[:0] = batches
        self.owed.update(batches)

    def spend(self, stage: str, seconds: float) -> None:
        """Add to a stage's time."""
        self.timings[stage] = self.timings.get(stage, 0.0) + seconds


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
) -> Lane:
    """A lane for the run's current batch, ready to start. plugins: run what extensions have written."""
    request, guides = run.request, [guide.of_batch(run.batch * run.request.batch_size) for guide in run.guides]
    model = guides[0].model
    sampler = registry.samplers.get(request.sampler_name)
    schedule = registry.schedules.get(request.scheduler)
    levels = model.schedule_at(request.width, request.height)
    options, meter = ScheduleOptions.of(request), plugins.meter
    sigmas = noise_levels(sampler, schedule, request.steps, levels, registry, resolve, options, meter)
    seeds = _seeds(run)
    factor = model.latent_factor
    shape = (model.latent_channels, request.height // factor, request.width // factor)
    noise = LaneNoise(seeds, shape, model.device, _drawing(run, sampler, factor))
    start = noise.start() * start_scale(sampler, sigmas[0], levels, options)
    start = start if hooks is None else hooks.before_sampling(start, sigmas[0])
    asked = {name: getattr(request, name) for name in sampler.options}
    own = plugins.options_of(sampler.extension, request)
    context = SamplerContext(sigmas, request.steps, noise, levels, asked, own)
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
