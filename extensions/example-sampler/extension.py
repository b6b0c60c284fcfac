"""The rows that this extension adds. Loaded by the page and by the worker, so it imports no torch."""

from __future__ import annotations

from webui.extend import Sampler, hookimpl


@hookimpl
def samplers() -> list[Sampler]:
    """One sampling method; "worker:ralston" is the function in worker.py beside this file."""
    return [Sampler("Ralston", "worker:ralston", aliases=("ralston",), schedule="Karras", order=2)]
