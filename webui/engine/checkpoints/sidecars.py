"""The small files beside a model in which people and programs say something of it. Torch-free."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.core.errors import ModelProblem
from webui.engine.cards.card import CLIP_SKIPS, NUMBERS
from webui.engine.cards.read import Unreadable, number_in, read_object
from webui.engine.checkpoints.json_files import read_json, read_yaml
from webui.engine.checkpoints.scan import OWN_SIDECAR

log = logging.getLogger(__name__)

# What A1111 keeps of a checkpoint in <stem>.json.
_CARD = ("description", "notes", "sd version", "vae")
_CARD_LETTERS = 10_000


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What is said of a model beside it.

    defaults: ours, over what A1111's .yaml says of the prediction and its .json of the clip skip. family: what a person
    says that it is, or "". card: A1111's facts for people. problem: why something that was meant to count cannot be
    read.
    """

    defaults: dict[str, Any] = field(default_factory=dict)
    family: str = ""
    card: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


def read_sidecars(paths: Iterable[Path]) -> Sidecar:
    """All that these files say, which lie beside one model or in its folder."""
    defaults: dict[str, Any] = {}
    own: dict[str, Any] = {}
    card: dict[str, str] = {}
    preferred: dict[str, Any] = {}
    problem = None
    for path in paths:
        try:
            if path.name == OWN_SIDECAR or path.name.endswith(f".{OWN_SIDECAR}"):
                own = read_json(path)
            elif path.suffix == ".yaml":
                defaults = _prediction(read_yaml(path))
            else:
                card, preferred = _card(path)
        except ModelProblem as error:
            problem = error.detail
    family = own.get("family", "")
    if not isinstance(family, str):
        problem, family = "Its darkroom.json says of its family something that is no name.", ""
    return Sidecar({**preferred, **defaults, **own}, family, card, problem)


def _prediction(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's configuration in the form of its training program says that it predicts.

    SD2's says it in `parameterization`, SDXL's by the scaling of its denoiser; a file that says neither is of a model
    that predicts noise.
    """
    parameters = _at(config, "model", "params")
    if not isinstance(parameters, Mapping):
        return {}
    scaling = _at(parameters, "denoiser_config", "params", "scaling_config", "target")
    velocity = parameters.get("parameterization") == "v" or str(scaling).rpartition(".")[2] == "VScaling"
    return {"prediction_type": "v_prediction" if velocity else "epsilon"}


def _at(data: Any, *names: str) -> Any:
    for name in names:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _card(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """(A1111's facts, defaults among them); they are for people, so that a damaged file takes no model away."""
    try:
        data, _ = read_object(path)
    except Unreadable as error:
        log.warning("%s/%s", path.parent.name, error)
        return {}, {}
    texts = {name: data.get(name) for name in _CARD}
    skip = number_in(data.get(NUMBERS["clip_skip"], 0), *CLIP_SKIPS)
    found = {name: text[:_CARD_LETTERS] for name, text in texts.items() if isinstance(text, str) and text}
    return found, {"clip_skip": int(skip)} if skip else {}
