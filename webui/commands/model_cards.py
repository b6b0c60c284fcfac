"""Models of every kind with their cards on the command line: searched, sorted, in a row, in lines, as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from webui.core.registry import Registry
from webui.engine.cards.listing import SORTS, Query, page_of
from webui.engine.cards.shelf import CHECKPOINT, KINDS, Model
from webui.engine.checkpoints.completion import PartFile
from webui.engine.checkpoints.facts import facts_of_file

_ALL = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `list` is narrowed and ordered by."""
    parser.add_argument("--kind", choices=KINDS, help="list models of this kind, checkpoints without it, or show one")
    parser.add_argument("--search", default="", metavar="WORDS", help="only models whose names or cards have the words")
    parser.add_argument("--folder", default="", metavar="FOLDER", help="only models in this folder and below it")
    parser.add_argument("--sort", choices=list(SORTS), default="path", help="the order of the list")
    parser.add_argument("--descending", action="store_true", help="the other way round")


def chosen_of(models: list[Model], given: argparse.Namespace) -> list[Model]:
    """Those that the arguments mean, in their order."""
    query = Query(
        given.kind or CHECKPOINT, given.search, given.folder.strip("/"), given.sort, given.descending, limit=_ALL
    )
    return list(page_of(models, query, private=True).models)


def plain_row(model: Model, registry: Registry) -> tuple[str, ...]:
    """A file's line in a list, which is no checkpoint."""
    size = f"{model.size_bytes / 2**20:,.0f} MiB"
    precision = _precision(model, registry)
    form = model.path.suffix.removeprefix(".") if model.path.is_file() else "diffusers"
    return model.name, model.family_title or "-", f"{precision or '-'} {form}", size, model.problem or ""


def plain_lines(model: Model, kind: str, registry: Registry) -> Iterator[str]:
    """All that is known of a file that is no checkpoint, for people. kind: what its kind is called."""
    ending = model.path.suffix.removeprefix(".") if model.path.is_file() else "diffusers"
    form = " ".join(filter(None, (_precision(model, registry), ending)))
    yield model.name
    yield f"  file        {model.path}"
    yield f"  kind        {kind}{f', {model.family_title}' if model.family_title else ''}"
    yield f"  form        {form}, {model.size_bytes / 2**20:,.1f} MiB"
    yield from card_lines(model)
    if model.problem:
        yield f"  It cannot be used. {model.problem}"


def _precision(model: Model, registry: Registry) -> str:
    return str(facts_of_file(model.thing, registry)["precision"]) if isinstance(model.thing, PartFile) else ""


def hidden_lines(models: Iterable[Model]) -> Iterator[str]:
    """What is said of files that are not listed, since one of the same name comes first."""
    for model in models:
        for path in model.hides:
            yield f"Not used, since {model.path} has the same name and comes first: {path}"


def plain_full(model: Model, registry: Registry) -> dict[str, Any]:
    """The same for programs."""
    return {
        "name": model.name,
        "kind": model.kind,
        "precision": _precision(model, registry),
        "path": str(model.path),
        "size_bytes": model.size_bytes,
        "problem": model.problem,
        **card_of(model),
    }


def card_of(model: Model) -> dict[str, Any]:
    """What is said of a model, for programs; the rest of a checkpoint's card is among its own facts."""
    card = model.card
    return {
        "said": {name: value for name, value in asdict(card).items() if name != "problems"},
        "trigger_words": list(card.trigger_words),
        "preview": str(model.preview.path) if model.preview else None,
        "card_problems": list(card.problems),
        "hides": [str(path) for path in model.hides],
    }


def card_lines(model: Model) -> Iterator[str]:
    """What is said of a model, for people."""
    card, origin = model.card, model.card.civitai
    said = {
        "trigger words": ", ".join(card.trigger_words),
        "negative prompt": card.negative_text,
        "preferred weight": f"{card.preferred_weight:g}" if card.preferred_weight else "",
        "preferred VAE": card.vae,
        "clip skip": card.clip_skip or "",
        "made for": card.base_model or card.sd_version,
        "CivitAI": " · ".join(map(str, filter(None, (origin.model_name, origin.version_name, origin.model_id)))),
        "preview": model.preview.path.name if model.preview else "",
        "description": card.description,
        "notes": card.notes,
    }
    for name, value in said.items():
        if value:
            first, *rest = str(value).splitlines()
            yield f"  {name}: {first}"
            yield from (f"    {line}" for line in rest)
    yield from (f"  {problem}" for problem in card.problems)
    yield from (f"  {line}" for line in hidden_lines((model,)))


def as_json(data: dict[str, Any]) -> str:
    """One line for a program."""
    return json.dumps(data, ensure_ascii=False)
