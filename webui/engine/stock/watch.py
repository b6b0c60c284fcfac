"""See every forward pass and every step of a pipeline from outside, whatever its class, and cut it short."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

import torch
from diffusers import SchedulerMixin
from diffusers.schedulers.scheduling_ddpm import DDPMSchedulerOutput
from diffusers.utils import BaseOutput
from torch import Tensor, nn

from webui.engine.adapters.merging import lock_of

# The networks that run once or more for each step, by the names that all pipelines give their parts.
_DENOISER = re.compile(r"(?:^|_)(?:transformer|unet|prior|decoder)(?:_|$)")
_OTHER = re.compile(r"encoder|tokenizer|processor|vae")


class Watcher(Protocol):
    """What is told of a run; all methods are called by the run's thread."""

    def before_forward(self) -> bool:
        """Asked before each forward pass: whether it shall really be made. May raise to end the run."""
        ...

    def after_step(self, share: float, latents: Tensor) -> None:
        """Told after each step: how much of this scheduler's steps is done, and the clean latents as predicted there.

        latents: in the pipeline's own form, which may be packed.
        """
        ...


def denoisers(parts: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The networks among a pipeline's parts that are called for each step."""
    return {
        name: part
        for name, part in parts.items()
        if isinstance(part, nn.Module) and _DENOISER.search(name) and not _OTHER.search(name)
    }


def encoders(parts: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The networks among a pipeline's parts that read texts."""
    return {name: part for name, part in parts.items() if isinstance(part, nn.Module) and "text_encoder" in name}


@contextmanager
def watched(
    parts: Mapping[str, Any], watcher: Watcher, decoding: AbstractContextManager[Any]
) -> Iterator[Callable[[], bool]]:
    """While the block runs, tell `watcher` of all that the pipeline with these parts does; the block is given a
    function that says whether the run is being cut short.

    Pipelines have no callback that all of them call, but all of them call their networks and their scheduler's `step`;
    those of the very objects are replaced here for the time of the block. A forward pass that shall not be made answers
    what the network answered last, and the step after it ends at the clean latents: so a run that is cut short goes
    through its remaining steps without computing and decodes as it always does, packed latents too.
    `decoding` is held while the autoencoder decodes. One run of a pipeline at a time.
    """
    cut = _Cut()
    with ExitStack() as stack:
        for network in denoisers(parts).values():
            stack.enter_context(_replaced(network, "forward", _forward(network, watcher, cut)))
        for scheduler in {id(p): p for p in parts.values() if isinstance(p, SchedulerMixin)}.values():
            stack.enter_context(_replaced(scheduler, "step", _step(scheduler, watcher, cut)))
        for network in encoders(parts).values():
            # Other jobs may merge adapters into one that several models share, and take them out again.
            stack.enter_context(_replaced(network, "forward", _locked(network.forward, lock_of(network))))
        vae = parts.get("vae")
        if isinstance(vae, nn.Module):
            stack.enter_context(_replaced(vae, "decode", _locked(vae.decode, decoding)))
        yield lambda: cut.now


class _Cut:
    """Whether the run is being cut short."""

    now = False


@contextmanager
def _replaced(owner: Any, name: str, by: Callable[..., Any]) -> Iterator[None]:
    before = owner.__dict__.get(name)
    # A network's own __setattr__ takes functions too, but looks through all its parts first.
    owner.__dict__[name] = by
    try:
        yield
    finally:
        if before is None:
            del owner.__dict__[name]
        else:
            owner.__dict__[name] = before


def _forward(network: nn.Module, watcher: Watcher, cut: _Cut) -> Callable[..., Any]:
    plain = network.forward
    last: list[Any] = []

    def forward(*arguments: Any, **options: Any) -> Any:
        cut.now = not watcher.before_forward()
        if not (cut.now and last):
            last[:] = [plain(*arguments, **options)]
        return last[0]

    # Pipelines ask for a network's parameters, to see what it takes.
    forward.__signature__ = inspect.signature(plain)  # type: ignore[attr-defined]
    return forward


def _step(scheduler: Any, watcher: Watcher, cut: _Cut) -> Callable[..., Any]:
    plain = scheduler.step
    takes = inspect.signature(plain)
    last: list[Tensor] = []
    steps = [0]

    def step(*arguments: Any, **options: Any) -> Any:
        given = takes.bind(*arguments, **options)
        given.apply_defaults()
        as_dict = given.arguments.get("return_dict", True)
        if cut.now and last:
            return _answer(last[0], as_dict)
        if "return_dict" in takes.parameters:
            given.arguments["return_dict"] = True
        result = plain(*given.args, **given.kwargs)
        last[:] = [clean(scheduler, given.arguments, result)]
        steps[0] = steps[0] % len(scheduler.timesteps) + 1
        watcher.after_step(steps[0] / len(scheduler.timesteps), last[0])
        if cut.now:
            return _answer(last[0], as_dict)
        return result if as_dict or not isinstance(result, BaseOutput) else result.to_tuple()

    step.__signature__ = takes  # type: ignore[attr-defined]
    return step


def _answer(latents: Tensor, as_dict: bool) -> Any:
    return DDPMSchedulerOutput(latents, latents) if as_dict else (latents, latents)


def _locked(plain: Any, lock: AbstractContextManager[Any]) -> Callable[..., Any]:
    def locked(*arguments: Any, **options: Any) -> Any:
        with lock:
            return plain(*arguments, **options)

    locked.__signature__ = inspect.signature(plain)  # type: ignore[attr-defined]
    return locked


def clean(scheduler: Any, given: Mapping[str, Any], result: Any) -> Tensor:
    """The clean latents behind the sample of a step that was just made, as far as the scheduler tells them.

    given: the step's arguments. The next sample itself stands in where a scheduler says nothing of the clean one.
    """
    for name in ("pred_original_sample", "denoised"):
        if isinstance(getattr(result, name, None), Tensor):
            return getattr(result, name)
    sample, output = given["sample"], given["model_output"]
    config = scheduler.config
    if str(config.get("algorithm_type", "")).endswith("++") or config.get("predict_x0"):
        kept = [one for one in getattr(scheduler, "model_outputs", ()) if isinstance(one, Tensor)]
        if kept and kept[-1].shape == sample.shape:
            return kept[-1]
    index = getattr(scheduler, "step_index", None)
    if type(scheduler).__name__.startswith("FlowMatch") and index is not None:
        return (sample.float() - scheduler.sigmas[index - 1].to(sample.device) * output.float()).to(sample.dtype)
    alphas = getattr(scheduler, "alphas_cumprod", None)
    if alphas is not None and output.shape == sample.shape and config.get("prediction_type") == "epsilon":
        alpha = alphas[int(given["timestep"])].to(sample.device)
        return ((sample.float() - (1 - alpha).sqrt() * output.float()) / alpha.sqrt()).to(sample.dtype)
    found = getattr(result, "prev_sample", None)
    return found if isinstance(found, Tensor) else torch.as_tensor(result[0])
