"""A job's way into the loop: its models are found and lent, and its texts encoded, on two threads of their own."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from webui.core.errors import DarkroomError, OutOfMemory
from webui.core.events import Loading, Output
from webui.core.hires_fields import CELL
from webui.core.panels import check_loaded
from webui.core.prompt.adapters import left_in_negative, names_in, unknown_types
from webui.core.registry import Registry
from webui.core.request import GenerationRequest
from webui.engine.adapted import Adapted
from webui.engine.attention.backends import Backends
from webui.engine.checkpoints.accepted import find_accepted
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.chosen import kept_in
from webui.engine.checkpoints.refining import find_refiner, is_none
from webui.engine.checkpoints.second_pass import second_files
from webui.engine.checkpoints.suits import abilities_of
from webui.engine.checkpoints.tokens import Reading
from webui.engine.conditioning import Abandoned, Conditioner
from webui.engine.embeddings.spoken import Spoken
from webui.engine.families.base import LoadedModel, Purpose
from webui.engine.generate import Pass, Run, missing_batches
from webui.engine.hooks import of_the_loop
from webui.engine.lanes import Guide
from webui.engine.memory.ladder import Ladder, Shape, kind_of
from webui.engine.memory.rungs import evicting, freeing, ways_out
from webui.engine.overflows import Overflows
from webui.engine.passes import first_of, second_of
from webui.engine.pipelines import Pipelines
from webui.engine.stock.model import StockModel
from webui.engine.texts import Pair, Texts, rewritten
from webui.engine.wordings import Wordings, calls_of
from webui.plugins.manager import Plugins

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of runs; all return at once, whatever thread calls them."""

    emit: Callable[[Run, Output], None]
    note: Callable[[Run, str], None]
    """A sentence for the person, perhaps again."""
    ready: Callable[[Run], None]
    """It can join the loop."""
    gone: Callable[[Run], None]
    """It ended meanwhile; what was lent to it is to go back."""
    failed: Callable[[Run, BaseException], None]


@dataclass(frozen=True, slots=True)
class Means:
    """What runs are made ready with."""

    catalogue: Catalogue
    pipelines: Pipelines
    backends: Backends
    ladder: Ladder
    overflows: Overflows
    device: torch.device
    dtype: torch.dtype
    plugins: Plugins
    registry: Registry


class Intake:
    """All public methods return at once and may be called from any thread."""

    def __init__(self, means: Means, told: Told) -> None:
        self._means, self._told = means, told
        self._conditioner = Conditioner()
        self._adapted = Adapted.of(means.catalogue.adapters, means.pipelines)
        self._loader = ThreadPoolExecutor(1, "engine-load")
        self._encoder = ThreadPoolExecutor(1, "engine-encode")

    def take(self, run: Run) -> None:
        """Make a run ready; ends in `ready`, `gone` or `failed`, or in nothing if it has ended."""
        self._encoder.submit(self._guarded, run, self._take_up, run)

    def take_vae(self, run: Run, files: GenerationRequest, then: Callable[[LoadedModel], None]) -> None:
        """Lend the run its model of these files again, with the autoencoder as it is known by now to be needed; `then`
        gets it.
        """
        self._loader.submit(self._guarded, run, self._load_vae, run, files, then)

    def warm(self, title: str, precisions: Mapping[str, str]) -> None:
        """Load a checkpoint before anybody asks. precisions: what its parts' weights are kept in, by role."""
        self._loader.submit(self._warm, title, precisions)

    def close(self) -> None:
        """Stop the threads; waits for what they are at."""
        for pool in (self._loader, self._encoder):
            pool.shutdown(wait=True, cancel_futures=True)

    def _take_up(self, run: Run) -> None:
        if run.cancelled or run.ended:
            return
        check_loaded(run.request.extensions, self._means.plugins.panels)
        catalogue, pipelines, overflows = self._means.catalogue, self._means.pipelines, self._means.overflows
        request = overflows.applied(run.request)
        asked = [run.request, *filter(None, [second_files(run.request)])]
        for sentence in dict.fromkeys(sentence for one in asked for sentence in overflows.sentences(one)):
            self._told.note(run, sentence)
        refiner = find_refiner(catalogue, request)
        run.checkpoints = checkpoints = [find_accepted(catalogue, overflows.applied(one)) for one in asked]
        checkpoints += [refiner] if refiner else []
        resident = pipelines.lend_resident(checkpoints)
        if resident:
            run.models = [run.loan.enter_context(model) for model in resident]
            self._prepare(run)
        else:
            self._tell_loading(run, checkpoints[0])
            self._loader.submit(self._guarded, run, self._load, run, checkpoints)

    def _load(self, run: Run, checkpoints: Sequence[Checkpoint]) -> None:
        if run.cancelled or run.ended:
            return
        started = time.perf_counter()
        models: list[LoadedModel | StockModel] = []
        for place, checkpoint in enumerate(checkpoints):
            if run.cancelled or run.ended:
                # Who ended the job did not know of what was lent meanwhile.
                self._told.gone(run)
                return
            waits = partial(self._tell_loading, run, checkpoint)
            if place:
                waits()
            given_up, beside = (lambda: run.cancelled or run.ended), checkpoints[:place]
            note = partial(self._told.note, run)
            model = self._means.pipelines.lend(checkpoint, given_up, waits, beside, note)
            models.append(run.loan.enter_context(model))
        run.models = models
        run.spend("loaded", time.perf_counter() - started)
        self._encoder.submit(self._guarded, run, self._prepare, run)

    def _load_vae(self, run: Run, files: GenerationRequest, then: Callable[[LoadedModel], None]) -> None:
        if run.cancelled or run.ended:
            return
        checkpoint = find_accepted(self._means.catalogue, self._means.overflows.applied(files))
        # It holds a model already, so it must not wait for those of others.
        loan = self._means.pipelines.lend(
            checkpoint, given_up=lambda: True, beside=run.checkpoints, note=partial(self._told.note, run)
        )
        model = run.loan.enter_context(loan)
        if run.cancelled or run.ended:
            self._told.gone(run)
        else:
            then(model)

    def _tell_loading(self, run: Run, checkpoint: Checkpoint, waits: bool = False) -> None:
        waiting = f"Waiting for memory. {checkpoint.name} is loaded as soon as another model is no longer in use."
        self._told.emit(run, Loading(waiting if waits else f"Loading {checkpoint.name}"))

    @torch.inference_mode()
    def _prepare(self, run: Run) -> None:
        started = time.perf_counter()
        request, stock = run.request, any(isinstance(model, StockModel) for model in run.models)
        passes = self._passes(run)
        if stock and (unheard := of_the_loop(self._means.plugins, request)):
            names = " and ".join(f"'{name}'" for name in unheard)
            self._told.note(run, f"This model runs through its own pipeline, which {names} cannot change.")
        for one in passes:
            prompt, comments = one.request.templates[0], one.request.has_comments
            if stock and names_in((prompt,), comments=comments):
                self._told.note(run, "This model runs through its own pipeline, which LoRAs cannot change.")
            for note in unknown_types(prompt, comments=comments) if stock else ():
                self._told.note(run, note)
            negatives = dict.fromkeys(one.request.texts_of(number)[1] for number in range(one.request.pictures))
            for note in left_in_negative([one.request.templates[1], *negatives], comments=comments):
                self._told.note(run, note)
        self._write(run, passes, None if stock else self._means.plugins)
        try:
            for one in () if stock else passes:
                one.guides = self._guides(run, one)
        except Abandoned:
            self._told.gone(run)
            return
        run.passes = passes
        # Here, since packages may be imported for it, which would hold up everybody's steps.
        self._means.backends.ready(request.attention, self._means.device, self._means.dtype)
        run.spend("encoded", time.perf_counter() - started)
        self._told.ready(run)

    def _passes(self, run: Run) -> list[Pass]:
        """Those over a job's pictures, without their texts."""
        request, checkpoints = run.request, run.checkpoints
        own, registry = int(second_files(request) is not None), self._means.registry
        multiple = registry.families.get(checkpoints[own].family).multiple_of(checkpoints[own].variant)
        abilities = ",".join(abilities_of(checkpoints[own], registry))
        second = second_of(request, math.lcm(CELL, multiple), abilities)
        first = Pass(first_of(request), checkpoints[0])
        return [first] if second is None else [first, Pass(second.request, checkpoints[own], own, second)]

    def _write(self, run: Run, passes: Sequence[Pass], plugins: Plugins | None) -> None:
        """The texts of each pass's pictures, where these are others than its request's."""
        if run.texts is not None:
            return
        size, batches = run.request.batch_size, missing_batches(run.request, run.done)
        pictures = [batch * size + place for batch in batches for place in range(size)]
        run.texts = rewritten(plugins, passes[0].request, pictures)
        for one in passes[1:]:
            own = one.second is not None and one.second.hires.has_own_texts
            run.hires_texts = rewritten(plugins, one.request, pictures) if own else run.texts

    def _guides(self, run: Run, one: Pass) -> list[Guide]:
        """A pass's texts as its model and its refiner understand them."""
        own = run.texts if one.second is None else run.hires_texts
        models = [(run.models[one.place], one.checkpoint)]
        if not is_none(one.request.refiner_checkpoint):
            models.append((run.models[-1], run.checkpoints[-1]))
        return [
            self._encoded(run, one, model, checkpoint, own or {})
            for model, checkpoint in models
            if not isinstance(model, StockModel)
        ]

    def _encoded(self, run: Run, one: Pass, model: LoadedModel, checkpoint: Checkpoint, own: dict[int, Pair]) -> Guide:
        pipelines, plugins, request = self._means.pipelines, self._means.plugins, one.request
        samplers, family = self._means.registry.samplers, self._means.registry.families.get(checkpoint.family)
        order = samplers.get(request.sampler_name).order
        if one.second is None:
            wordings = Wordings(request, calls_of(request.steps, order), emphasis=family.emphasis)
        else:
            before = calls_of(one.second.before, samplers.get(run.request.sampler_name).order)
            calls = calls_of(request.steps, order)
            wordings = Wordings(request, before, emphasis=family.emphasis, hires_calls=calls)
        texts = Texts(self._conditioner, plugins, request, wordings, lambda: run.cancelled or run.ended)
        told = partial(self._told.note, run)
        spoken = Spoken(self._means.catalogue.embeddings, request, checkpoint, family, told)
        purpose = Purpose(
            request.width,
            request.height,
            distilled_cfg_scale=request.distilled_cfg_scale,
            clip_skip=request.clip_skip,
            reading=Reading(request.emphasis, request.comma_padding_backtrack),
        )
        lenient = model is not run.models[0]
        guide = self._means.ladder.run(
            Shape("encode", kind_of(model.denoiser)),
            (freeing(model.device), evicting(pipelines.make_room)),
            lambda: self._adapted.guide(texts, run, request, model, purpose, own, spoken, lenient=lenient),
            told,
            lambda: OutOfMemory(
                "There is not enough memory to read the prompt beside the model.",
                field="prompt",
                remedies=ways_out(model.device, "Choose a smaller checkpoint"),
            ),
        )
        for note in wordings.notes:
            self._told.note(run, note)
        return guide

    def _warm(self, title: str, precisions: Mapping[str, str]) -> None:
        try:
            self._means.pipelines.prefetch(kept_in(self._means.catalogue.default(title), precisions))
        except DarkroomError as error:
            log.warning("No checkpoint was loaded ahead: %s", error)

    def _guarded(self, run: Run, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001 whatever goes wrong with one job becomes that job's end
            self._told.failed(run, error)
