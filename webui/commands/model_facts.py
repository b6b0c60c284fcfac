"""Checkpoints as the command line shows them: in a row, in lines, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webui.core.registry import Registry
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.facts import facts_of

HEAD = ("Checkpoint", "Kind", "Precision", "Size", "State")

_SAID_BY_CARDS = ("description", "notes", "sd version", "vae")
"""What the lines of a model's card say."""

_PREDICTIONS = {"v_prediction": "v"}


def row(checkpoint: Checkpoint, registry: Registry, *, chosen: bool) -> tuple[str, ...]:
    """Its line in the list, under `HEAD`."""
    facts = facts_of(checkpoint, registry)
    kind = " ".join(filter(None, (facts["family"], facts["variant"], _PREDICTIONS.get(facts["prediction_type"], ""))))
    precision = facts["precision"] or "-"
    state = checkpoint.problem or ("chosen" if chosen else "")
    return checkpoint.title, kind or "-", f"{precision} {facts['format']}", _size(checkpoint.size_bytes), state


def lines(checkpoint: Checkpoint, registry: Registry) -> Iterator[str]:
    """All that is known of it, for people."""
    facts = facts_of(checkpoint, registry)
    kind = ", ".join(filter(None, (facts["family_title"], facts["variant"])))
    yield checkpoint.title
    yield f"  file        {checkpoint.path}"
    yield f"  kind        {kind or 'unknown'}"
    yield f"  form        {facts['format']}, {_size(checkpoint.size_bytes)}"
    if facts["prediction_type"]:
        yield f"  predicts    {facts['prediction_type']}"
    if checkpoint.hash:
        yield f"  sha256      {checkpoint.hash}"
    for part in facts["parts"]:
        where = f"  from {part['file']}" if part["file"] else ""
        size = f"{part['precision']}, {_size(part['size_bytes'])}"
        yield f"  {part['part']:<16}  {part['title']}, {size}{where}"
    for name in checkpoint.missing:
        yield f"  {name:<16}  missing"
    told = {name: value for name, value in checkpoint.card.items() if name not in _SAID_BY_CARDS}
    for name, value in {**checkpoint.defaults, **told}.items():
        yield f"  {name}: {value}"
    if checkpoint.problem:
        yield f"  It cannot be used. {checkpoint.problem}"


def full(checkpoint: Checkpoint, registry: Registry) -> dict[str, Any]:
    """All that is known of it, for programs."""
    return {
        "title": checkpoint.title,
        "name": checkpoint.name,
        "path": str(checkpoint.path),
        "kind": checkpoint.kind,
        "hash": checkpoint.hash,
        **facts_of(checkpoint, registry),
        "defaults": checkpoint.defaults,
        "problem": checkpoint.problem,
    }


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"
