"""What is shown of a checkpoint, in the API and on the command line alike. Torch-free."""

from __future__ import annotations

from typing import Any

from webui.core.registry import Registry
from webui.engine.checkpoints.checkpoint import Checkpoint


def facts_of(checkpoint: Checkpoint, registry: Registry) -> dict[str, Any]:
    """JSON-ready facts, without any path: what it is, what is inside and what is missing, where the rest came from."""
    families, architectures = registry.families, registry.architectures
    known = checkpoint.family in families
    return {
        "family": checkpoint.family,
        "family_title": families.get(checkpoint.family).title if known else "",
        "variant": checkpoint.variant,
        "format": checkpoint.format,
        "precision": checkpoint.precision,
        "prediction_type": checkpoint.prediction_type,
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
            }
            for name, part in checkpoint.parts.items()
        ],
        "missing": list(checkpoint.missing),
        "card": dict(checkpoint.card),
    }
