"""What is shown of a checkpoint, in the API and on the command line alike. Torch-free."""

from __future__ import annotations

from typing import Any

from webui.core.registry import Registry
from webui.engine.checkpoints.chosen import Used
from webui.engine.checkpoints.completion import PartFile
from webui.engine.checkpoints.identify import fits
from webui.engine.checkpoints.suits import abilities_of, latents_of, multiple_of, samplers_for, schedules_for


def facts_of(used: Used, registry: Registry, *, notes: bool = True) -> dict[str, Any]:
    """JSON-ready facts, without any path: what it is, what it is loaded from and by which rule, and what is missing.

    notes: with the owner's notes.
    """
    checkpoint = used.checkpoint
    families, architectures = registry.families, registry.architectures
    family = families.get(checkpoint.family) if checkpoint.family in families else None
    return {
        "family": checkpoint.family,
        "family_title": family.title if family else "",
        "variant": checkpoint.variant,
        "format": checkpoint.format,
        "precision": checkpoint.precision,
        "prediction_type": checkpoint.prediction_type,
        "prediction_assumed": family.prediction if family and not checkpoint.prediction_type else "",
        "size_bytes": checkpoint.size_bytes,
        "parts": [
            {
                "part": name,
                "role": part.role,
                "title": architectures.get(part.architecture).title if part.architecture in architectures else "",
                "precision": part.precision,
                "parameters": part.parameters,
                "size_bytes": part.size_bytes,
                "file": checkpoint.completed.get(name),
                "by": used.by.get(name, ""),
            }
            for name, part in checkpoint.parts.items()
        ],
        "missing": list(checkpoint.missing),
        "unused": used.unused,
        "card": {name: text for name, text in checkpoint.card.items() if notes or name != "notes"},
        "abilities": list(abilities_of(checkpoint, registry)),
        "latents": latents_of(checkpoint, registry),
        "size_multiple": multiple_of(checkpoint, registry),
        "samplers": samplers_for(checkpoint, registry),
        "schedulers": schedules_for(checkpoint, registry),
    }


def facts_of_file(file: PartFile, registry: Registry) -> dict[str, Any]:
    """JSON-ready facts of a file with a VAE or a text encoder, without any path, and the families that take it."""
    architectures = registry.architectures
    rows = [architectures.get(part.architecture) for part in file.parts if part.architecture in architectures]
    return {
        "name": file.name,
        "role": file.role,
        "title": ", ".join(dict.fromkeys(row.title for row in rows)),
        "precision": ", ".join(dict.fromkeys(part.precision for part in file.parts)),
        "size_bytes": sum(part.size_bytes for part in file.parts),
        "fits": [
            family.name
            for family in registry.families
            if any(fits(need, part, {}) for need in family.needs for part in file.parts)
        ],
        "problem": file.problem,
    }
