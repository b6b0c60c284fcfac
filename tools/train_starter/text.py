"""Training the text encoder on its own: its states learn to say what the picture holds, and where.

Three kinds of target. The end and a padding position say all attributes of the scene. Every padding position
belongs to one cell of a 3 x 3 grid and says what stands there, so that the UNet's cross-attention finds a token
for each place. The last token of each noun says its own object's colour and shape.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextModel

from tools.train_starter import data
from tools.train_starter.captions import UNWANTED, Caption, caption, dropped
from tools.train_starter.models import WIDTH, make_text_encoder
from tools.train_starter.scene import COLOUR_NAMES, LAYOUTS, PATTERNS, SHAPES, SIZES, Scene
from tools.train_starter.tokenizer import LENGTH, Bpe
from tools.train_starter.training import Average, Plan, State, cosine, note

log = logging.getLogger(__name__)
MERGES = 497
IGNORE = -100
NO_SHAPE, NO_COLOUR = len(SHAPES), len(COLOUR_NAMES)
# Width of each scene attribute, in the order of `attributes`.
ATTRIBUTES = {
    "layout": 3, "count": 4, "shape": 8, "colour": 12, "shape 2": 9, "colour 2": 13, "axis": 3, "pattern": 4,
    "ground": 12, "ground 2": 13, "place": 9, "size": 3, "outlined": 2,
}  # fmt: skip
CELLS = 9


def attributes(scene: Scene, unsaid: frozenset[str]) -> list[int]:
    """The scene's class in each of `ATTRIBUTES`; what the caption leaves open is ignored."""
    first, last = scene.things[0], scene.things[-1]
    pair = scene.layout == "pair"
    return [
        LAYOUTS.index(scene.layout),
        len(scene.things) - 1,
        IGNORE if "shape" in unsaid else SHAPES.index(first.shape),
        IGNORE if "colour" in unsaid else COLOUR_NAMES.index(first.colour),
        SHAPES.index(last.shape) if pair else NO_SHAPE,
        COLOUR_NAMES.index(last.colour) if pair else NO_COLOUR,
        (2 if scene.vertical else 1) if pair else 0,
        PATTERNS.index(scene.pattern),
        IGNORE if unsaid else COLOUR_NAMES.index(scene.colours[0]),
        COLOUR_NAMES.index(scene.colours[1]) if scene.pattern != "plain" else NO_COLOUR,
        scene.place,
        SIZES.index(scene.size),
        int(first.outlined),
    ]


def cells(scene: Scene, unsaid: frozenset[str]) -> tuple[list[int], list[int]]:
    """Colour and shape in each cell of the 3 x 3 grid, row by row; the last class means nothing stands there."""
    colours, shapes = [NO_COLOUR] * CELLS, [NO_SHAPE] * CELLS
    for cell in range(CELLS):
        x, y = (cell % 3 + 0.5) / 3, (cell // 3 + 0.5) / 3
        for thing in scene.things:
            if max(abs(thing.x - x), abs(thing.y - y)) <= thing.radius:
                colours[cell] = IGNORE if "colour" in unsaid else COLOUR_NAMES.index(thing.colour)
                shapes[cell] = IGNORE if "shape" in unsaid else SHAPES.index(thing.shape)
    return colours, shapes


@dataclass
class Batch:
    """Token numbers [n, 77] and the targets of the three kinds; `nouns` holds rows, positions, colours, shapes."""

    tokens: torch.Tensor
    ends: torch.Tensor
    scene: torch.Tensor
    cell_colours: torch.Tensor
    cell_shapes: torch.Tensor
    nouns: torch.Tensor

    def to(self, device: str) -> Batch:
        """The same on `device`."""
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def tokens(bpe: Bpe, given: Caption) -> tuple[list[int], list[tuple[int, int]], int]:
    """Padded token numbers, (position, object) of each marked noun, and the position of the first end token."""
    numbers: list[int] = []
    nouns = []
    for piece, mark in zip(given.pieces, given.marks, strict=True):
        numbers += bpe.encode(piece)
        if mark is not None:
            nouns.append((len(numbers), mark))
    return bpe.padded(numbers), nouns, min(len(numbers), LENGTH - 2) + 1


def batch(bpe: Bpe, scenes: list[Scene], rng: np.random.Generator, drop: float) -> Batch:
    """Fresh captions for `scenes` with their targets; the part `drop` of them says nothing, and shows nothing."""
    rows, ends, scene_rows, colour_rows, shape_rows, nouns = [], [], [], [], [], []
    for index, scene in enumerate(scenes):
        empty = rng.random() < drop
        given = dropped(rng) if empty else caption(rng, scene)
        numbers, marks, end = tokens(bpe, given)
        rows.append(numbers)
        ends.append(end)
        colours, shapes = cells(scene, given.unsaid)
        scene_rows.append([IGNORE] * len(ATTRIBUTES) if empty else attributes(scene, given.unsaid))
        colour_rows.append([NO_COLOUR] * CELLS if empty else colours)
        shape_rows.append([NO_SHAPE] * CELLS if empty else shapes)
        for position, mark in marks:
            thing = scene.things[mark]
            nouns.append((index, position, COLOUR_NAMES.index(thing.colour), SHAPES.index(thing.shape)))
    lists = (rows, ends, scene_rows, colour_rows, shape_rows, nouns)
    return Batch(*(torch.tensor(values) for values in lists))


class Heads(nn.Module):
    """Linear readers of the text states; used in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = nn.Linear(WIDTH, sum(ATTRIBUTES.values()))
        self.cell = nn.Linear(WIDTH, CELLS + NO_COLOUR + 1 + NO_SHAPE + 1)
        self.noun = nn.Linear(WIDTH, NO_COLOUR + NO_SHAPE)

    def forward(self, states: torch.Tensor, given: Batch, pads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss, and the part of right answers to each of `ATTRIBUTES` at the padding positions `pads` [n]."""
        rows = torch.arange(len(states), device=states.device)
        loss = torch.zeros((), device=states.device)
        right: list[torch.Tensor] = []
        for positions in (given.ends, pads):
            parts = self.scene(states[rows, positions]).split(list(ATTRIBUTES.values()), 1)
            right = []
            for column, part in enumerate(parts):
                target = given.scene[:, column]
                loss = loss + F.cross_entropy(part, target, ignore_index=IGNORE) / 2
                known = target != IGNORE
                right.append((part.argmax(1) == target)[known].float().mean())
        where = torch.arange(LENGTH, device=states.device) % CELLS
        behind = torch.arange(LENGTH, device=states.device)[None] > given.ends[:, None]
        index, colour, shape = self.cell(states[behind]).split([CELLS, NO_COLOUR + 1, NO_SHAPE + 1], 1)
        loss = loss + F.cross_entropy(index, where.expand(len(states), -1)[behind])
        loss = loss + 3 * F.cross_entropy(colour, given.cell_colours[:, where][behind], ignore_index=IGNORE)
        loss = loss + 3 * F.cross_entropy(shape, given.cell_shapes[:, where][behind], ignore_index=IGNORE)
        row, position, noun_colour, noun_shape = given.nouns.T
        colour, shape = self.noun(states[row, position]).split([NO_COLOUR, NO_SHAPE], 1)
        loss = loss + F.cross_entropy(colour, noun_colour) + F.cross_entropy(shape, noun_shape)
        return loss, torch.stack(right)


def states_of(encoder: CLIPTextModel, numbers: torch.Tensor) -> torch.Tensor:
    """The final hidden states [n, 77, 128] that the UNet attends to."""
    return encoder(input_ids=numbers).last_hidden_state


def train_tokenizer(folder: Path, seed: int) -> Bpe:
    """Learns the BPE from captions of the data set and saves it."""
    rng = np.random.default_rng((seed, 99))
    texts = [caption(rng, scene).text for scene in data.scenes(seed, 8000)]
    bpe = Bpe.train([*texts, *UNWANTED * 3], MERGES)
    bpe.save(folder / "tokenizer")
    return bpe


def pad_positions(ends: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """One random position behind the end for each row."""
    return torch.tensor([int(rng.integers(end + 1, LENGTH)) for end in ends.tolist()])


class TextLearner(nn.Module):
    """The encoder with its heads, as one module to train and save."""

    def __init__(self, encoder: CLIPTextModel) -> None:
        super().__init__()
        self.encoder, self.heads = encoder, Heads()

    def forward(self, given: Batch, pads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and right parts of one batch."""
        return self.heads(states_of(self.encoder, given.tokens), given, pads)


def train(folder: Path, plan: Plan, seed: int, device: str, count: int, size: int = 96) -> None:
    """Trains tokenizer and encoder; writes `folder`/tokenizer and `folder`/text_encoder."""
    bpe = train_tokenizer(folder, seed)
    every = data.scenes(seed, count)
    learner = TextLearner(make_text_encoder(len(bpe.vocabulary), seed)).to(device)
    optimizer = torch.optim.AdamW(learner.parameters(), 2e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average = Average(learner, 0.99)
    state = State(folder / "text.pt")
    state.load(learner, average, optimizer, plan)
    while not plan.done:
        rng = np.random.default_rng((seed + 1, plan.step))
        given = batch(bpe, [every[int(i)] for i in rng.integers(0, count, size)], rng, 0.04)
        pads = pad_positions(given.ends, rng).to(device)
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * cosine(plan.part) * min(1.0, (plan.step + 1) / 50)
        loss, right = learner(given.to(device), pads)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        average.update(learner)
        plan.step += 1
        if plan.step % 50 == 0:
            row = {"step": plan.step, "seconds": plan.seconds, "loss": loss.item(), "right": right.mean().item()}
            note(folder / "text.csv", {**row, "least": right.min().item()})
        if state.due:
            state.save(learner, average, optimizer, plan)
    state.save(learner, average, optimizer, plan)
    average.copy_to(learner)
    learner.encoder.save_pretrained(folder / "text_encoder")
