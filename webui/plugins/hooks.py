"""All hooks of Darkroom: an extension author's table of contents. Implementers may take fewer arguments, not others."""

from __future__ import annotations

from typing import Any

import pluggy

from webui.core.events import Event
from webui.core.field import Field
from webui.core.hook_rows import Guidance, MetadataReader, ModelSource, PostProcessing, Route, Script, Setting
from webui.core.job import Job
from webui.core.registry import (
    Architecture,
    AttentionBackend,
    Command,
    Family,
    Sampler,
    Schedule,
    Tab,
    Work,
)
from webui.core.saving import Saving

PROJECT = "darkroom"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class CollectingHooks:
    """Called at start, in the web process and in the worker; torch-free. Each returns a list of rows.

    In the web process they are called again when any extension is switched on or off.
    """

    @hookspec
    def samplers(self) -> list[Sampler]:  # type: ignore[empty-body]
        """Sampling methods; `function` is resolved in the worker."""

    @hookspec
    def schedules(self) -> list[Schedule]:  # type: ignore[empty-body]
        """Tables of noise levels; `function` is resolved in the worker."""

    @hookspec
    def families(self) -> list[Family]:  # type: ignore[empty-body]
        """Model families; `function` is resolved in the worker."""

    @hookspec
    def architectures(self) -> list[Architecture]:  # type: ignore[empty-body]
        """Kinds of networks that checkpoints are made of; `build` and `layouts` are resolved in the worker."""

    @hookspec
    def attention_backends(self) -> list[AttentionBackend]:  # type: ignore[empty-body]
        """Ways to compute attention; `function` is resolved in the worker."""

    @hookspec
    def fields(self) -> list[Field]:  # type: ignore[empty-body]
        """What a request may ask of this extension, by names of its own; the values reach its hooks as `options`."""

    @hookspec
    def settings(self) -> list[Setting]:  # type: ignore[empty-body]
        """What the owner sets for the extension itself, as a key: in no request and no picture; see `own_settings`."""

    @hookspec
    def guidance(self) -> list[Guidance]:  # type: ignore[empty-body]
        """Functions on the loop's predictions, in the order of extensions; `function` is resolved in the worker."""

    @hookspec
    def post_processing(self) -> list[PostProcessing]:  # type: ignore[empty-body]
        """Changes of finished pictures, after `image_ready`; `function` is resolved in the worker."""

    @hookspec
    def scripts(self) -> list[Script]:  # type: ignore[empty-body]
        """From one request to many and back; `function` is resolved in the web process."""

    @hookspec
    def routes(self) -> list[Route]:  # type: ignore[empty-body]
        """Addresses of the server; `function` is resolved in the web process."""

    @hookspec
    def model_sources(self) -> list[ModelSource]:  # type: ignore[empty-body]
        """Where models can be downloaded from; `function` is resolved in the web process and in the workshop."""

    @hookspec
    def metadata_readers(self) -> list[MetadataReader]:  # type: ignore[empty-body]
        """How a picture was made, read out of its file; `function` is resolved in the web process."""

    @hookspec
    def tabs(self) -> list[Tab]:  # type: ignore[empty-body]
        """Tabs of the page; `build` is resolved in the web process."""

    @hookspec
    def commands(self) -> list[Command]:  # type: ignore[empty-body]
        """Commands of `launch.py`; `run` is resolved when the command is called."""

    @hookspec
    def works(self) -> list[Work]:  # type: ignore[empty-body]
        """Works on models' files; `accept` and `files` are resolved in both processes, `function` in the workshop."""


class WorkerHooks:
    """Implemented in worker.py and called in the worker process. One that raises fails the job and is named there.

    All may take `request`, the GenerationRequest, and `options`, the values of the extension's fields in it. Latents
    are (batch, channels, height/8, width/8) float32 and stay of that shape; None as an answer leaves what was given.
    They stand here in the order of their calls.
    """

    @hookspec
    def transform_prompt(
        self, prompt: str, negative_prompt: str, index: int, seed: int, request: Any, options: Any
    ) -> tuple[str, str] | None:
        """Called for each picture of a job, `index` from 0, before its texts are encoded; returns both, or None.

        The same arguments must give the same answer: a job may run again. The texts stand in the picture's infotext,
        and what the person wrote beside them as Template. An InvalidField of webui.extend refuses what cannot be read.
        """

    @hookspec
    def transform_conditioning(self, conditioning: Any, negative: bool, request: Any, options: Any) -> Any:
        """Called with what a text means to the model, in its family's own form; returns a new one, or None.

        negative: whether it is a negative prompt's.
        """

    @hookspec
    def patch_model(self, model: Any, request: Any, options: Any) -> Any:
        """Called with a LoadedModel when a batch begins; returns None, or a context manager that changes the model.

        For such batches it is called again and entered round each forward pass, and left after it whatever happens, so
        the model is changed inside the `with` alone. Batches share passes only with those of equal options, and with
        none where the hook takes `request`.
        """

    @hookspec
    def before_sampling(self, latents: Any, sigma: float, indices: Any, seeds: Any, request: Any, options: Any) -> Any:
        """Called with the latents that a batch begins with, at its first noise level `sigma`: noise, or with Hires. fix
        in the second pass the enlarged latents with noise on them. This and the hooks of steps are called in each pass,
        with its own request: its size, steps and sampler, `hires` None in the second.

        indices, seeds: tuples; of each picture in the latents, its number in the request from 0 and its seed.
        """

    @hookspec
    def before_step(
        self, latents: Any, step: int, sigma: float, indices: Any, seeds: Any, request: Any, options: Any
    ) -> Any:
        """Called before step `step` (from 0) of a batch with its latents at noise level `sigma`.

        indices, seeds: as for `before_sampling`. A sampler that makes the pictures of a batch one after the other (DPM
        adaptive) hands over each alone.
        """

    @hookspec
    def after_step(
        self, latents: Any, step: int, sigma: float, indices: Any, seeds: Any, request: Any, options: Any
    ) -> Any:
        """Called after step `step` (from 0), as `before_step` is; `sigma` is the noise level that it led to."""

    @hookspec
    def before_decoding(self, latents: Any, index: int, request: Any, options: Any) -> Any:
        """Called with the finished latents of picture `index` (from 0), a batch of one, before they are decoded."""

    @hookspec
    def image_ready(self, image: Any, index: int, request: Any, options: Any) -> Any:
        """Called with picture `index` (from 0) as a PIL image, before it is saved; returns one of any size, or None."""

    @hookspec
    def before_saving(self, saving: Saving, image: Any, index: int, request: Any, options: Any) -> Saving | None:
        """Called with what is to be written beside picture `index`; returns `saving.but(...)` with more, or None."""


class WebHooks:
    """Implemented in extension.py and called in the web process, where each has a deadline; errors are logged."""

    @hookspec
    def job_event(self, job_id: str, event: Event) -> None:
        """Called with each event of each job (core/events.py), in order, on a thread of its own.

        Steps and previews are left out where the follower is slower than they come.
        """

    @hookspec
    def job_finished(self, job: Job) -> None:
        """Called when a job has ended, well or not, with its last state."""


COLLECTING = (
    *("samplers", "schedules", "families", "architectures", "attention_backends"),
    *("fields", "settings", "guidance", "post_processing", "scripts", "routes", "model_sources"),
    *("metadata_readers", "tabs", "commands", "works"),
)
WORKER = (
    *("transform_prompt", "transform_conditioning", "patch_model"),
    *("before_sampling", "before_step", "after_step"),
    *("before_decoding", "image_ready", "before_saving"),
)
WEB = ("job_event", "job_finished")
SPECIFICATIONS = (CollectingHooks, WorkerHooks, WebHooks)
