"""The metadata of merged checkpoints in A1111's form: of which models they are made, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.core.model_work import METADATA_FROM, Merge
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.hashes import combine
from webui.engine.checkpoints.headers.base import unreadable
from webui.engine.work.base import Steps
from webui.engine.work.merging import MergeFiles

_RECIPE, _MODELS = "sd_merge_recipe", "sd_merge_models"
_PRECISION = "fp16"
_PIECE_BYTES = 16 * 2**20


def metadata_of(
    request: Merge, named: Mapping[str, Checkpoint], own: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """What the result takes over from one of the models; its recipe is not its result's."""
    taken = own.get(request.metadata_from, {})
    return {name: text for name, text in taken.items() if name not in (_RECIPE, _MODELS, "format")}


def recipe(
    request: Merge,
    files: MergeFiles,
    named: Mapping[str, Checkpoint],
    own: Mapping[str, Mapping[str, str]],
    channels: int,
    steps: Steps,
) -> dict[str, str]:
    """The recipe, and what is known of each model in it, those that they were merged of included.

    own: the metadata of each model's file. channels: what the result's denoiser takes. Models whose hash is not known
    are read for it.
    """
    hashes = {letter: checkpoint.hash or _hash(checkpoint, steps) for letter, checkpoint in named.items()}
    made = {
        "type": "webui",
        "primary_model_hash": hashes.get("A"),
        "secondary_model_hash": hashes.get("B"),
        "tertiary_model_hash": hashes.get("C"),
        "interp_method": request.interp_method,
        "multiplier": request.multiplier,
        "save_as_half": request.precision == _PRECISION,
        "custom_name": request.custom_name,
        # Where A1111's page has the choice whose configuration goes with the result.
        "config_source": METADATA_FROM.index(request.metadata_from),
        "bake_in_vae": files.vae.name if files.vae else "None",
        "discard_weights": request.discard_weights,
        "is_inpainting": channels == 9,
        "is_instruct_pix2pix": channels == 8,
    }
    models: dict[str, Any] = {}
    for letter, checkpoint in named.items():
        models[hashes[letter]] = {
            "name": checkpoint.name,
            "legacy_hash": checkpoint.legacy_hash,
            _RECIPE: _parsed(own[letter].get(_RECIPE)),
        }
        models.update(_parsed(own[letter].get(_MODELS)) or {})
    return {_RECIPE: json.dumps(made), _MODELS: json.dumps(models)}


def _parsed(text: str | None) -> dict[str, Any] | None:
    """A JSON object out of a stranger's metadata; None for anything else."""
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _hash(checkpoint: Checkpoint, steps: Steps) -> str:
    return combine([_sha256(file, steps) for file in checkpoint.own])


def _sha256(path: Path, steps: Steps) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                steps.advance(len(piece))
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()
