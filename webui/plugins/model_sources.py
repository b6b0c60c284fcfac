"""The sources of models that extensions bring, as a download asks them: timed, and named when they fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from webui.core.hook_rows import ModelSource
from webui.plugins.manager import Plugins
from webui.plugins.meter import Call
from webui.plugins.resolve import resolve


def sources_of(plugins: Plugins) -> tuple[Callable[[Any], Any], ...]:
    """One function that asks each row there is when it is called, in the order of extensions; see `ModelSource`."""
    return (partial(_asked, plugins),)


def _asked(plugins: Plugins, wanted: Any) -> Any:
    for row in plugins.table("model_sources"):
        looker = _run(plugins, row, resolve(row.function), wanted)
        if looker is not None:
            return partial(_run, plugins, row, looker)
    return None


def _run(plugins: Plugins, row: ModelSource, function: Callable[[Any], Any], value: Any) -> Any:
    return plugins.meter.ask(Call(row.extension, "model_sources", function), (value,))
