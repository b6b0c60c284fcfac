"""The model's own examination: 300 captions of five kinds, seed = index, judged by colour rules and a classifier."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.train_starter import sample
from tools.train_starter.captions import caption
from tools.train_starter.classifier import trained
from tools.train_starter.judge import judge
from tools.train_starter.scene import CENTER, COLOUR_NAMES, HELD_OUT, SHAPES, Scene, group, pair, single
from tools.train_starter.training import note

log = logging.getLogger(__name__)
SEED = 4242
EACH = 60
PLAIN = (0.0, 1.0, 0.0, 0.0, 0.0)
PATTERNED = (0.0, 0.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Question:
    """A caption, what it asks for, and whether it names the background."""

    kind: str
    text: str
    scene: Scene
    named: bool


def _said(rng: np.random.Generator, scene: Scene) -> str:
    """A random caption that leaves nothing open."""
    while True:
        given = caption(rng, scene)
        if not given.unsaid:
            return given.text


def _one(rng: np.random.Generator, index: int) -> Question:
    """One object in a combination of shape and colour that no training picture has, on a plain background."""
    kind = sorted(HELD_OUT)[index % len(HELD_OUT)]
    while True:
        scene = single(rng, kind, PLAIN)
        usual = scene.place == CENTER and scene.size == "medium" and not scene.things[0].outlined
        if usual and not scene.default_background:
            return Question("held out", _said(rng, scene), scene, True)


def _bare(rng: np.random.Generator, index: int) -> Question:
    """Colour and shape, nothing else."""
    kinds = [(s, c) for s in SHAPES for c in COLOUR_NAMES if (s, c) not in HELD_OUT]
    # 23 and 84 have no common factor: sixty different ones, all shapes and colours among them.
    shape, colour = kinds[(index * 23) % len(kinds)]
    while True:
        scene = single(rng, (shape, colour), (1.0, 0, 0, 0, 0))
        if not scene.things[0].outlined:
            return Question("bare", f"{colour} {shape}", scene, False)


def _group(rng: np.random.Generator, index: int) -> Question:
    """Two, three or four alike."""
    while True:
        scene = group(rng)
        if scene.pattern == "plain" and len(scene.things) == 2 + index % 3:
            return Question("group", _said(rng, scene), scene, not scene.default_background)


def _place(rng: np.random.Generator, index: int) -> Question:
    """A pattern, a place, or both."""
    while True:
        scene = single(rng, None, PLAIN if index % 3 == 1 else PATTERNED)
        if (scene.place == CENTER) == (index % 3 == 0) and not scene.things[0].outlined:
            return Question("pattern and place", _said(rng, scene), scene, not scene.default_background)


def _pair(rng: np.random.Generator, index: int) -> Question:
    """Two objects of two colours and their relation."""
    while True:
        scene = pair(rng)
        if scene.pattern == "plain" and scene.vertical == bool(index % 2):
            return Question("pair", _said(rng, scene), scene, not scene.default_background)


MAKERS: tuple[Callable[[np.random.Generator, int], Question], ...] = (_one, _bare, _group, _place, _pair)
# What has to be right for a caption of each kind to count.
NEEDED = {
    "held out": ("colour", "shape", "count", "ground"),
    "bare": ("colour", "shape", "count"),
    "group": ("colour", "shape", "count", "ground"),
    "pattern and place": ("colour", "shape", "count", "ground", "place"),
    "pair": ("colour", "shape", "count", "ground", "place"),
}


def questions(each: int = EACH, seed: int = SEED) -> list[Question]:
    """The captions, `each` of every kind, always the same; other seeds serve for choosing CFG and schedule."""
    return [
        maker(np.random.default_rng((seed, number, index)), index)
        for number, maker in enumerate(MAKERS)
        for index in range(each)
    ]


def evaluate(
    folder: Path, model: Path, cfg: float, schedule: str, each: int = EACH, device: str = "cpu", seed: int = SEED
) -> dict[str, dict[str, float]]:
    """Per cent right by kind: each aspect, and "right" for all it needs; kept in `folder`/evaluation.json."""
    classifier, accuracy = trained(folder)
    asked = questions(each, seed)
    made = sample.pictures(
        sample.Model.load(model, device), [q.text for q in asked], list(range(len(asked))), cfg=cfg, schedule=schedule
    )
    table: dict[str, dict[str, float]] = {}
    misses = []
    for kind, needed in NEEDED.items():
        rows = []
        for index, (question, picture) in enumerate(zip(asked, made, strict=True)):
            if question.kind == kind:
                verdict = judge(picture, question.scene, question.named, classifier.names)
                rows.append({**verdict, "right": all(verdict[aspect] for aspect in needed)})
                if not rows[-1]["right"]:
                    misses.append([index, question.text, [aspect for aspect in needed if not verdict[aspect]]])
        table[kind] = {aspect: round(100 * float(np.mean([row[aspect] for row in rows])), 1) for aspect in rows[0]}
        log.info("%-18s %s", kind, " ".join(f"{k} {v:.1f}" for k, v in table[kind].items()))
    result = {"judge": accuracy, "cfg_scale": cfg, "schedule": schedule, "per cent": table, "misses": misses}
    name = "evaluation" if seed == SEED else f"trial-{seed}-{cfg}-{schedule}"
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    np.save(folder / f"{name}.npy", made)
    if seed != SEED:
        return table
    step = json.loads((model / "darkroom.json").read_text(encoding="utf-8"))["training_steps"]
    note(folder / "progress.csv", {"step": step, **{kind: row["right"] for kind, row in table.items()}})
    return table
