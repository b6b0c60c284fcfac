"""Samplers of extensions, each stretch run by the meter: it knows whose code goes on, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, NamedTuple

from torch import Tensor

from webui.core.errors import ExtensionProblem
from webui.core.registry import Sampler
from webui.engine.samplers.base import Answer, Ask, Sampling
from webui.plugins.meter import Call, Meter, refusal

_HOOK = "samplers"


class _End(NamedTuple):
    """What a sampler returned."""

    latents: Tensor


def metered(row: Sampler, begin: Callable[[], Sampling], meter: Meter) -> Sampling:
    """The generator that `begin` makes; the same, in the meter's hands, where the row is an extension's.

    Errors of an extension's then are ExtensionProblems that name it, but for DarkroomErrors, which come through.
    """
    sampling = meter.of_row(row.extension, _HOOK, begin)
    if not row.extension:
        return sampling
    if not isinstance(sampling, Generator):
        call = Call(row.extension, _HOOK, begin)
        raise refusal(call, f"it returned {type(sampling).__name__}; a sampler is a generator, which asks by yield.")
    return _stretches(row.extension, sampling, meter)


def _stretches(extension: str, sampling: Sampling, meter: Meter) -> Sampling:
    def until_next(answer: Any) -> Ask | _End:
        try:
            return sampling.send(answer)
        except StopIteration as stop:
            return _End(stop.value)

    call = Call(extension, _HOOK, until_next)
    given: Answer | None = None
    try:
        while not isinstance(found := meter.ask(call, (given,)), _End):
            if not isinstance(found, Ask):
                raise refusal(call, f"it yielded {type(found).__name__} in place of an Ask.")
            given = yield found
        if not isinstance(found.latents, Tensor):
            raise refusal(call, f"it returned {type(found.latents).__name__} in place of latents.")
        return found.latents
    finally:
        # How it takes its end is nobody's concern any more.
        with suppress(ExtensionProblem):
            meter.run(Call(extension, _HOOK, lambda: sampling.close()), ())
