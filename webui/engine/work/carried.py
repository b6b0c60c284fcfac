"""What a model's weights do not say of it, and its good settings, go with what is made of it, in a darkroom.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.json_files import read_json
from webui.engine.checkpoints.scan import OWN_SIDECAR

# What a mark among the tensors says too.
_MARKED = ("prediction_type", "zero_snr")
_FACTS = (
    *_MARKED,
    *("shift", "native_size", "sizes", "steps", "cfg_scale", "distilled_cfg_scale", "sampler_name", "scheduler"),
    "clip_skip",
)
_ON_CARDS = "clip_skip"
"""What a card says too. The new model has a card of its own, over which its darkroom.json would count."""

_SCHEDULER = {"zero_snr": "rescale_betas_zero_snr"}
"""What a scheduler's configuration calls what is called otherwise here."""

_PLAIN = "epsilon"
MARKS = ("v_pred", "ztsnr")
"""Names of tensors that hold nothing: their being there says what an SDXL model predicts."""


def carry_facts(
    source: Checkpoint, target: Path, names: Collection[str], say: Callable[[str], None], *, overwrite: bool = False
) -> None:
    """Write what is known of `source` beside `target`, a file of weights made of it, where nothing says it there.

    names: the tensors of the target, of which some may say it themselves. overwrite: the target took another's place,
    of which nothing may be said any more. What a person wrote beside a new file stays as it is. say: is told what could
    not be written: the weights are there, so that is no reason to fail.
    """
    facts = _facts(source)
    if any(name.rpartition(".")[2] in MARKS for name in names):
        facts = {name: fact for name, fact in facts.items() if name not in _MARKED}
    beside = target.with_name(f"{target.stem}.{OWN_SIDECAR}")
    try:
        if not beside.exists():
            said = {} if target.with_suffix(".yaml").exists() else facts
        elif overwrite:
            said = {name: fact for name, fact in read_json(beside).items() if name not in _FACTS} | facts
        else:
            return
        if said:
            _write(beside, said)
        elif beside.exists():
            beside.unlink()
    except (OSError, ModelProblem) as error:
        why = error.strerror if isinstance(error, OSError) else error.detail
        wanted = ", ".join(f"{name} {fact}" for name, fact in facts.items()) or "nothing"
        say(f"{beside.name} should say of the new model: {wanted}. It could not be written: {why}.")


def carry_into(source: Checkpoint, folder: Path) -> None:
    """Write what is known of `source` into a folder made of it, where its scheduler does not say it. Raises OSError."""
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    facts = {name: fact for name, fact in _facts(source).items() if scheduler.get(_SCHEDULER.get(name, name)) != fact}
    if facts:
        _write(folder / OWN_SIDECAR, facts)


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _facts(source: Checkpoint) -> dict[str, Any]:
    facts = {name: source.defaults[name] for name in _FACTS if name in source.defaults}
    if _ON_CARDS in facts and _ON_CARDS not in _own(source):
        del facts[_ON_CARDS]
    # A folder says it in its scheduler's configuration.
    prediction = source.prediction_type
    if prediction and (prediction != _PLAIN or "prediction_type" in facts):
        facts["prediction_type"] = prediction
    if source.scheduler.get("rescale_betas_zero_snr"):
        facts["zero_snr"] = True
    return facts


def _own(source: Checkpoint) -> dict[str, Any]:
    """What our own sidecar of the source says; nothing where there is none that can be read."""
    path = source.path
    try:
        return read_json(path / OWN_SIDECAR if path.is_dir() else path.with_name(f"{path.stem}.{OWN_SIDECAR}"))
    except ModelProblem:
        return {}
