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
    """A function for each row, in the order of extensions; see `ModelSource`."""
    return tuple(partial(_asked, plugins, row) for row in plugins.table("model_sources"))


def _asked(plugins: Plugins, row: ModelSource, wanted: Any) -> Any:
    looker = _run(plugins, row, resolve(row.function), wanted)
    return None if looker is None else partial(_run, plugins, row, looker)


def _run(plugins: Plugins, row: ModelSource, function: Callable[[Any], Any], value: Any) -> Any:
    return plugins.meter.ask(Call(row.extension, "model_sources", function), (value,))
