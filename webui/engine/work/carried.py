"""What a model's weights do not say of it, and its good settings, go with what is made of it, in a darkroom.json."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.scan import OWN_SIDECAR

log = logging.getLogger(__name__)

# What a mark among the tensors says too.
_MARKED = ("prediction_type", "zero_snr")
_FACTS = (
    *_MARKED,
    *("shift", "native_size", "sizes", "steps", "cfg_scale", "distilled_cfg_scale", "sampler_name", "scheduler"),
    "clip_skip",
)
_PLAIN = "epsilon"
_MARKS = ("v_pred", "ztsnr")


def carry_facts(source: Checkpoint, target: Path, names: Collection[str]) -> None:
    """Write what is known of `source` beside `target`, a file of weights like its, where nothing says it there.

    names: the tensors of the target, of which some may say it themselves. A file that is beside it already is left
    alone. It is for later pictures: the weights are written, so a folder that is full is no reason to fail.
    """
    facts = _facts(source)
    if any(name.rpartition(".")[2] in _MARKS for name in names):
        facts = {name: fact for name, fact in facts.items() if name not in _MARKED}
    beside = [target.with_name(f"{target.stem}{ending}") for ending in (f".{OWN_SIDECAR}", ".yaml")]
    if not facts or any(map(Path.exists, beside)):
        return
    try:
        beside[0].write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        log.warning("What is known of %s could not be written beside %s: %s", source.name, target.name, error)


def _facts(source: Checkpoint) -> dict[str, Any]:
    facts = {name: source.defaults[name] for name in _FACTS if name in source.defaults}
    # A folder says it in its scheduler's configuration.
    prediction = source.prediction_type
    if prediction and (prediction != _PLAIN or "prediction_type" in facts):
        facts["prediction_type"] = prediction
    if source.scheduler.get("rescale_betas_zero_snr"):
        facts["zero_snr"] = True
    return facts
