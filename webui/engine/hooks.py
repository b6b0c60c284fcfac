"""The hooks of extensions as a lane calls them: at its start, between steps, on predictions, round its passes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from webui.core.hook_rows import Guidance
from webui.core.request import GenerationRequest
from webui.engine.families.base import LoadedModel
from webui.engine.guidance import Guided
from webui.plugins.calls import Bound
from webui.plugins.manager import Plugins
from webui.plugins.meter import Call, Meter

_STEP_HOOKS = ("before_sampling", "before_step", "after_step")
_LOOP_HOOKS = (*_STEP_HOOKS, "transform_prompt", "transform_conditioning", "patch_model", "before_decoding")
"""Those that need what a pipeline of its own keeps to itself."""


class Numbers:
    """Finds whose answer turned numbers into none; a GPU is not waited for before `verify`."""

    def __init__(self) -> None:
        self._flags: list[tuple[Bound, int | None, Tensor]] = []

    def watch(self, bound: Bound, step: int | None, before: Tensor, after: Tensor) -> None:
        """Note an answer. before: whether all was finite that it was given, a tensor of one truth value; after: the
        same of what it answered. Raises ExtensionProblem at once on a CPU.
        """
        flag = before & ~after
        if flag.device.type != "cpu":
            self._flags.append((bound, step, flag))
        elif flag:
            raise _no_numbers(bound, step)

    def verify(self) -> None:
        """Raise ExtensionProblem for the first answer that broke numbers."""
        flags, self._flags = self._flags, []
        if flags:
            found = torch.stack([flag for _, _, flag in flags]).tolist()
            for (bound, step, _), broke in zip(flags, found, strict=True):
                if broke:
                    raise _no_numbers(bound, step)


def transformed(
    bounds: Sequence[Bound], latents: Tensor, numbers: Numbers, moving: Mapping[str, Any], step: int | None = None
) -> Tensor:
    """Latents, handed through hooks whose first argument they are. Raises ExtensionProblem for an answer of a form that
    cannot be taken.
    """
    if not bounds:
        return latents
    finite = _finite(latents)
    for bound in bounds:
        answer = bound({**moving, "latents": latents})
        latents, finite = _taken(bound, answer, latents, numbers, step, finite)
    return latents


def of_the_loop(plugins: Plugins, request: GenerationRequest) -> list[str]:
    """The extensions that would change the prompts, steps or predictions of a request's pictures."""
    bounds = [bound for hook in _LOOP_HOOKS for bound in plugins.bound(hook, request)]
    names = {bound.call.extension for bound in bounds if plugins.is_on(bound.call.extension, request)}
    return sorted(names | {row.extension for row, _ in plugins.switched_on("guidance", request)})


class Patches:
    """The patch_model hooks that want a lane's model; entered round each of its forward passes, and left again."""

    def __init__(self, bounds: Sequence[Bound]) -> None:
        self._bounds = bounds
        # Who does not see the request patches alike for equal options; such lanes may share their passes.
        alike = all("request" not in bound.call.arguments for bound in bounds)
        options = ((bound.call.extension, *sorted(bound.fixed.get("options", {}).items())) for bound in bounds)
        self.key: Hashable = tuple(options) if alike else object()

    @classmethod
    def of(cls, bounds: Sequence[Bound], model: LoadedModel) -> Patches | None:
        """Those of the hooks that answer with more than None for this model."""
        wanted = [bound for bound in bounds if bound({"model": model}) is not None]
        return cls(wanted) if wanted else None

    @contextmanager
    def applied(self, model: LoadedModel) -> Iterator[None]:
        """The model as the extensions change it, until the block is left, however that happens."""
        entered: list[tuple[Bound, Any]] = []
        try:
            for bound in self._bounds:
                manager = bound({"model": model})
                if manager is None:
                    continue
                if not (hasattr(manager, "__enter__") and hasattr(manager, "__exit__")):
                    raise bound.refuse(f"it returned {type(manager).__name__} in place of a context manager.")
                _measured(bound, manager.__enter__)
                entered.append((bound, manager))
            yield
        finally:
            _undo(entered)


class LaneHooks:
    """What extensions do with one lane; without arguments nothing. Used by the loop's thread only."""

    def __init__(
        self,
        steps: Mapping[str, Sequence[Bound]] | None = None,
        guidance: Sequence[Bound] = (),
        patches: Patches | None = None,
        pictures: Sequence[tuple[int, int]] = (),
    ) -> None:
        """pictures: number in the request and seed of each picture of the lane's batch."""
        self._steps = {hook: tuple((steps or {}).get(hook, ())) for hook in _STEP_HOOKS}
        self._guidance = guidance
        self._numbers = Numbers()
        self._pictures = tuple(pictures)
        self.patches = patches
        self.guides = bool(guidance)
        """Whether `guide` changes anything."""

    @classmethod
    def of(
        cls,
        plugins: Plugins,
        request: GenerationRequest,
        model: LoadedModel,
        resolve: Callable[[str], Any],
        batch: int = 0,
    ) -> LaneHooks | None:
        """The hooks for a batch of a request, or None when no extension has any, so that nothing is spent on them."""
        steps = {hook: plugins.bound(hook, request) for hook in _STEP_HOOKS if plugins.has(hook)}
        guidance = [
            Bound(_call(row, resolve, plugins.meter), {"options": options}, plugins.meter)
            for row, options in plugins.switched_on("guidance", request)
        ]
        patches = Patches.of(plugins.bound("patch_model", request), model) if plugins.has("patch_model") else None
        if not (steps or guidance or patches):
            return None
        indices = range(batch * request.batch_size, (batch + 1) * request.batch_size)
        return cls(steps, guidance, patches, [(index, request.seed_of(index)) for index in indices])

    def before_sampling(self, latents: Tensor, sigma: float) -> Tensor:
        """The noise to begin with, scaled to the first noise level."""
        return self._through("before_sampling", latents, sigma, None)

    def before_step(self, latents: Tensor, step: int, sigma: float, place: int | None = None) -> Tensor:
        """The latents to begin step `step` (from 0) with, at the noise level that it begins at.

        place: of the one picture in the batch whose latents they are; None where they are of all.
        """
        return self._through("before_step", latents, sigma, step, place)

    def after_step(self, latents: Tensor, step: int, sigma: float, place: int | None = None) -> Tensor:
        """The latents to go on with after step `step` (from 0), at the noise level that it led to."""
        return self._through("after_step", latents, sigma, step, place)

    def guide(self, guided: Guided, place: int | None = None) -> Tensor:
        """The prediction that the sampler is answered with."""
        guided = replace(guided, **self._who(place))
        finite = _finite(guided.denoised)
        for bound in self._guidance:
            own = replace(guided, options=bound.fixed["options"])
            answer = bound({"guided": own})
            denoised, finite = _taken(bound, answer, guided.denoised, self._numbers, guided.step, finite)
            guided = replace(guided, denoised=denoised)
        return guided.denoised

    def verify(self) -> None:
        """Raise ExtensionProblem where an answer was no numbers any more."""
        self._numbers.verify()

    def _through(self, hook: str, latents: Tensor, sigma: float, step: int | None, place: int | None = None) -> Tensor:
        bounds = self._steps[hook]
        if not bounds:
            return latents
        return transformed(bounds, latents, self._numbers, {"step": step, "sigma": sigma, **self._who(place)}, step)

    def _who(self, place: int | None) -> dict[str, Any]:
        """The pictures that a call is about, as its arguments say them."""
        pictures = self._pictures if place is None else self._pictures[place : place + 1]
        return {"indices": tuple(index for index, _ in pictures), "seeds": tuple(seed for _, seed in pictures)}


def _call(row: Guidance, resolve: Callable[[str], Any], meter: Meter) -> Call:
    # Its module is imported here where it is asked for first.
    function = meter.of_row(row.extension, "guidance", lambda: resolve(row.function))
    return Call(row.extension, "guidance", function, ("guided",))


def _finite(latents: Tensor) -> Tensor:
    """Whether all are finite numbers, a tensor of one truth value: one pass over them, a third of isfinite's time."""
    return torch.isfinite(latents.sum())


def _taken(
    bound: Bound, answer: Any, before: Tensor, numbers: Numbers, step: int | None, finite: Tensor
) -> tuple[Tensor, Tensor]:
    """(what to go on with, whether it is finite). It may have been changed in place where the answer is None."""
    latents = before if answer is None else answer
    if not isinstance(latents, Tensor):
        raise bound.refuse(f"it returned {type(latents).__name__} in place of a tensor.")
    if latents.shape != before.shape:
        raise bound.refuse(f"it returned the shape {tuple(latents.shape)} in place of {tuple(before.shape)}.")
    latents = latents.to(before)
    after = _finite(latents)
    numbers.watch(bound, step, finite, after)
    return latents, after


def _no_numbers(bound: Bound, step: int | None) -> Exception:
    when = "" if step is None else f" in step {step + 1}"
    return bound.refuse(f"its answer{when} is no numbers any more (NaN or infinity).")


def _measured(bound: Bound, function: Callable[..., Any], *values: Any) -> None:
    call = bound.call
    bound.meter.run(Call(call.extension, call.hook, function), values)


def _undo(entered: Sequence[tuple[Bound, Any]]) -> None:
    """Leave all of them, the last entered first; then raise what the first of them raised, where one did."""
    errors: list[Exception] = []
    for bound, manager in reversed(entered):
        try:
            # None of them is told of errors of the pass, which are not theirs to keep quiet about.
            _measured(bound, manager.__exit__, None, None, None)
        except Exception as error:  # noqa: BLE001 the others are left all the same
            errors.append(error)
    if errors:
        raise errors[0]
