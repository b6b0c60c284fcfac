"""Whether one file can hold a model: its tensors' names and shapes must tell the form that its folder's files say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from webui.core.errors import ModelProblem
from webui.core.registry import Architecture
from webui.engine.checkpoints.architectures.base import Form, Names, Recognise
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import forms_of, single_form
from webui.engine.checkpoints.headers.base import TensorInfo
from webui.engine.checkpoints.identify import Kinds
from webui.engine.checkpoints.parts import Part
from webui.engine.work.only_folders import no_file, words_of
from webui.engine.work.tensors import Piece, network_of, row_of
from webui.plugins.resolve import resolve

_PLAIN = (bool, int, float, str, type(None))
# How a network is trained, cut up, named and kept from overflow changes nothing of the numbers that it computes. The
# token that ends a text is the vocabulary's last one; 2 is transformers' older way to say so.
_NO_MATTER = (
    *("training", "dropout", "p", "gradient_checkpointing", "name", "upcast_attention", "upcast_softmax", "fused"),
    "eos_token_id",
)
_MOST_TOLD = 3


def check_form(
    source: Checkpoint, parts: Mapping[str, Part], pieces: Mapping[str, Piece], kinds: Kinds, field: str
) -> None:
    """Raises ModelProblem when a folder's parts would be other networks in one file of these pieces.

    parts: those to be written. field: the request's, in which a folder can be asked for instead.
    """
    if source.kind != "diffusers":
        return
    places = single_form(kinds.families, source.family)
    reasons = []
    for name, part in parts.items():
        row, place = row_of(part, kinds), places[name]
        infos = {n: TensorInfo("F32", p.shape) for n, p in pieces.items() if n.startswith(place.prefix)}
        shown = _shown(row, Names(infos, place.prefix))
        told = [*_hidden(part, shown, row), *_scaling(source, part, kinds)]
        if told:
            form = " and ".join(told[:_MOST_TOLD])
            reasons.append(f"its {words_of(name)} is built with {form}, which no tensor shows")
    if reasons:
        raise no_file(source, reasons, field)


def _shown(row: Architecture, names: Names) -> Form | None:
    recognise: Recognise = resolve(row.recognise)
    return recognise(names, None)


def _hidden(part: Part, shown: Form | None, row: Architecture) -> Iterator[str]:
    """The settings of a part that make another network of it than its tensors show, in words."""
    if shown is None:
        yield f"a form in which a {row.title} is not known"
        return
    seen = replace(part, form=shown)
    own, read = _computes(network_of(part, row)), _computes(network_of(seen, row))
    if own == read:
        return
    told = False
    for key, value in part.form.config.items():
        if not key.startswith("_") and shown.config.get(key) != value and _matters(seen, key, value, read, row):
            told = True
            yield f"{key} {json.dumps(value)}"
    if not told:
        yield "settings of its own"


def _matters(seen: Part, key: str, value: Any, read: Mapping[str, Any], row: Architecture) -> bool:
    """Whether this setting alone would make another network of what the tensors show."""
    form = replace(seen.form, config={**seen.form.config, key: value})
    try:
        return _computes(network_of(replace(seen, form=form), row)) != read
    except ModelProblem:
        # It does not go with the others: shapes tell those, and so they tell it.
        return False


def _computes(network: nn.Module) -> dict[str, Any]:
    """What each module of a network does, by its name; the network's own attributes are what the parts are made of."""
    return {
        name: (type(module), {k: _plain(v) for k, v in vars(module).items() if _counts(k, v)})
        for name, module in network.named_modules()
        if name
    }


def _counts(name: str, value: Any) -> bool:
    return (
        not name.startswith("_") and name not in _NO_MATTER and all(isinstance(one, _PLAIN) for one in _several(value))
    )


def _plain(value: Any) -> Any:
    """The same where a configuration's list stands for a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _several(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _scaling(source: Checkpoint, part: Part, kinds: Kinds) -> Iterator[str]:
    """The scale of an autoencoder's latents, which of a single file is its family's."""
    folder = forms_of(kinds.families, source.family).folder
    if part.role != "vae" or folder is None:
        return
    for key, usual in zip(("scaling_factor", "shift_factor"), folder.scaling, strict=True):
        if (part.form.config.get(key) or usual) != usual:
            yield f"{key} {part.form.config[key]}"
