"""All hooks of Darkroom: an extension author's table of contents. Implementers may take fewer arguments, not others."""

from __future__ import annotations

from typing import Any

import pluggy

from webui.core.job import Job
from webui.core.registry import Architecture, AttentionBackend, Command, Family, Sampler, Schedule, Tab, Work

PROJECT = "darkroom"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class CollectingHooks:
    """Called once at start, in the web process and in the worker; torch-free. Each returns a list of rows."""

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
    def tabs(self) -> list[Tab]:  # type: ignore[empty-body]
        """Tabs of the page; `build` is resolved in the web process."""

    @hookspec
    def commands(self) -> list[Command]:  # type: ignore[empty-body]
        """Commands of `launch.py`; `run` is resolved when the command is called."""

    @hookspec
    def works(self) -> list[Work]:  # type: ignore[empty-body]
        """Works on models' files; `accept` and `files` are resolved in both processes, `function` in the workshop."""


class WorkerHooks:
    """Implemented in worker.py and called in the worker process. One that raises fails the job and is named there."""

    @hookspec
    def before_step(self, latents: Any, step: int) -> Any:
        """Called before step `step` (from 0) of a lane with its latents, (batch, channels, height/8, width/8) float32.

        A sampler that makes the pictures of a batch one after the other (DPM adaptive) hands over each alone.
        Return latents of the same shape to go on with, or None to leave them.
        """

    @hookspec
    def after_step(self, latents: Any, step: int) -> Any:
        """Called after step `step` (from 0) of a lane, as `before_step` is."""

    @hookspec
    def image_ready(self, image: Any, request: Any) -> Any:
        """Called with a finished PIL image, before it is saved, and its GenerationRequest.

        Return an image to save in its place, or None to leave it.
        """


class WebHooks:
    """Implemented in extension.py and called in the web process, where each has a deadline; errors are logged."""

    @hookspec
    def job_finished(self, job: Job) -> None:
        """Called when a job has ended, well or not, with its last state."""


COLLECTING = ("samplers", "schedules", "families", "architectures", "attention_backends", "tabs", "commands", "works")
WORKER = ("before_step", "after_step", "image_ready")
WEB = ("job_finished",)
SPECIFICATIONS = (CollectingHooks, WorkerHooks, WebHooks)
