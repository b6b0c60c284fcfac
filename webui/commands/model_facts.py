"""Checkpoints as the command line shows them: in a row, in lines, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from webui.core.registry import MEASURED, Registry
from webui.engine.checkpoints.chosen import Used
from webui.engine.checkpoints.facts import facts_of

HEAD = ("Kind", "Precision", "Size", "State")
"""Over what stands behind a model's name in a list."""

_SAID_BY_CARDS = ("description", "notes", "sd version", "vae")
"""What the lines of a model's card say."""

_RULES: Mapping[str, str] = MappingProxyType(
    {
        "setting": "the settings choose it",
        "sidecar": "its darkroom.json prefers it",
        "card": "its card prefers it",
        "neighbour": "it lies beside the checkpoint under its name",
        "fit": "it fits best",
    }
)
"""Why a part is used, by the name of the rule."""

_OF_ONE_INSIDE = ("setting", "sidecar", "card")
"""The rules that may choose the VAE inside the checkpoint too."""

_PREDICTIONS = {"v_prediction": "v"}
_PREDICTED: Mapping[str, str] = MappingProxyType(
    {"epsilon": "noise (epsilon)", "v_prediction": "velocity (v_prediction)"}
)


def row(used: Used, registry: Registry, *, chosen: bool) -> tuple[str, ...]:
    """Its line in the list: its title, and what `HEAD` says."""
    checkpoint, facts = used.checkpoint, facts_of(used, registry)
    kind = " ".join(
        filter(
            None,
            (
                facts["family_title"] or facts["family"],
                facts["variant"],
                _PREDICTIONS.get(facts["prediction_type"], ""),
            ),
        )
    )
    precision = facts["precision"] or "-"
    state = checkpoint.problem or ("chosen" if chosen else "")
    return checkpoint.title, kind or "-", f"{precision} {facts['format']}", _size(checkpoint.size_bytes), state


def lines(used: Used, registry: Registry) -> Iterator[str]:
    """All that is known of it, for people."""
    checkpoint, facts = used.checkpoint, facts_of(used, registry)
    kind = ", ".join(filter(None, (facts["family_title"], facts["variant"])))
    yield checkpoint.title
    yield f"  file        {checkpoint.path}"
    yield f"  kind        {kind or 'unknown'}"
    yield f"  form        {facts['format']}, {_size(checkpoint.size_bytes)}"
    if predicts := _predicts(facts):
        yield f"  predicts    {predicts}"
    if checkpoint.hash:
        yield f"  sha256      {checkpoint.hash}"
    for part in facts["parts"]:
        where = f"  from {part['file']}" if part["file"] else ""
        why = _RULES.get(part["by"], "")
        if part["by"] in _OF_ONE_INSIDE and not where:
            where = "  the one inside"
        size = f"{part['precision']}, {_size(part['size_bytes'])}"
        yield f"  {part['part']:<16}  {part['title']}, {size}{where}{f': {why}' if why else ''}"
    for name in checkpoint.missing:
        yield f"  {name:<16}  missing"
    if used.unused:
        yield f"  {used.unused}"
    told = {name: value for name, value in checkpoint.card.items() if name not in _SAID_BY_CARDS}
    for name, value in {**checkpoint.defaults, **told}.items():
        if name == "prediction_type" and predicts:
            continue
        yield f"  {name}: {value}"
    if checkpoint.problem:
        yield f"  It cannot be used. {checkpoint.problem}"


def _predicts(facts: Mapping[str, Any]) -> str:
    said, assumed = facts["prediction_type"], facts["prediction_assumed"]
    if said or not assumed:
        return _PREDICTED.get(said, said)
    if assumed == MEASURED:
        return "noise or velocity: nothing says it, so it is found out when it is loaded"
    return f"{_PREDICTED.get(assumed, assumed)}: assumed, since nothing says otherwise"


def full(used: Used, registry: Registry) -> dict[str, Any]:
    """All that is known of it, for programs."""
    checkpoint = used.checkpoint
    return {
        "title": checkpoint.title,
        "name": checkpoint.name,
        "path": str(checkpoint.path),
        "kind": checkpoint.kind,
        "hash": checkpoint.hash,
        **facts_of(used, registry),
        "defaults": checkpoint.defaults,
        "problem": checkpoint.problem,
    }


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"
