"""What a training picture shows: the vocabulary, the scene's description, and how scenes are drawn by lot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "moon")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 38),
    "orange": (250, 140, 20),
    "yellow": (250, 225, 45),
    "green": (40, 160, 65),
    "blue": (35, 80, 215),
    "purple": (130, 50, 175),
    "pink": (250, 140, 190),
    "brown": (120, 72, 35),
    "black": (18, 18, 20),
    "white": (250, 250, 250),
    "grey": (140, 140, 145),
    "cyan": (50, 205, 220),
}
COLOUR_NAMES = tuple(COLOURS)
PATTERNS = ("plain", "gradient", "striped", "checkered")
SIZES = ("small", "medium", "large")
LAYOUTS = ("single", "group", "pair")
# Row by row from the top left; index 4 is the centre, which a caption may leave unsaid.
PLACES = (
    "top left",
    "top",
    "top right",
    "left",
    "center",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)
CENTER = 4
# Never drawn, in any layout: what the evaluation of "one object" asks for.
HELD_OUT = frozenset(
    {
        ("moon", "red"),
        ("diamond", "orange"),
        ("cross", "yellow"),
        ("heart", "green"),
        ("triangle", "blue"),
        ("square", "purple"),
        ("circle", "pink"),
        ("star", "brown"),
        ("heart", "black"),
        ("square", "white"),
        ("triangle", "grey"),
        ("moon", "cyan"),
    }
)
RADII = {"small": 0.125, "medium": 0.205, "large": 0.32}
OUTLINABLE = ("circle", "square", "triangle", "star", "heart", "diamond")
GROUP_SPOTS = {
    2: ((0.27, 0.5), (0.73, 0.5)),
    3: ((0.5, 0.27), (0.27, 0.71), (0.73, 0.71)),
    4: ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)),
}


@dataclass(frozen=True)
class Thing:
    """One drawn object; centre and radius in parts of the picture's side, y downwards."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float
    outlined: bool = False


@dataclass(frozen=True)
class Scene:
    """A picture's whole description; `colours` holds the background's one colour, or two for a pattern."""

    layout: str
    things: tuple[Thing, ...]
    pattern: str
    colours: tuple[str, ...]
    size: str = "medium"
    place: int = CENTER
    vertical: bool = False

    @property
    def default_background(self) -> bool:
        """Whether the background is the one that a caption may leave unsaid."""
        return self.pattern == "plain" and self.colours[0] == default_colour(*(t.colour for t in self.things))


def default_colour(*things: str) -> str:
    """The background for a caption that names none: the first of white, black, grey that no object has."""
    return next(name for name in ("white", "black", "grey") if name not in things)


def _pick(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def _kind(rng: np.random.Generator, avoid: tuple[str, ...] = ()) -> tuple[str, str]:
    """A shape and a colour that are not held out; the colour is none of `avoid`."""
    while True:
        kind = _pick(rng, SHAPES), _pick(rng, COLOUR_NAMES)
        if kind not in HELD_OUT and kind[1] not in avoid:
            return kind


def _clear(pattern: str, colours: tuple[str, ...], things: tuple[str, ...]) -> bool:
    """Whether every object differs from the background, also from the middle of a gradient."""
    if set(colours) & set(things):
        return False
    if pattern != "gradient":
        return True
    top, bottom = (np.array(COLOURS[c], float) for c in colours)
    middle = [top + (bottom - top) * part for part in (0.25, 0.5, 0.75)]
    return all(np.linalg.norm(np.array(COLOURS[t]) - m) > 90 for t in things for m in middle)


def random_background(
    rng: np.random.Generator, things: tuple[str, ...], weights: tuple[float, ...]
) -> tuple[str, tuple[str, ...]]:
    """Pattern and colours behind `things` (colours); weights: default, plain, gradient, striped, checkered."""
    choice = int(rng.choice(5, p=np.array(weights) / sum(weights)))
    if choice == 0:
        return "plain", (default_colour(*things),)
    pattern = PATTERNS[choice - 1]
    while True:
        count = 1 if pattern == "plain" else 2
        colours = tuple(COLOUR_NAMES[int(i)] for i in rng.choice(len(COLOUR_NAMES), count, replace=False))
        if _clear(pattern, colours, things):
            return pattern, colours


def single(
    rng: np.random.Generator, kind: tuple[str, str] | None = None, weights: tuple[float, ...] | None = None
) -> Scene:
    """One object, anywhere on the 3 x 3 grid; `kind` (shape, colour) and the background's weights may be given."""
    shape, colour = kind or _kind(rng)
    pattern, colours = random_background(rng, (colour,), weights or (0.34, 0.26, 0.12, 0.14, 0.14))
    place = CENTER if rng.random() < 0.5 else int(rng.integers(9))
    size = str(rng.choice(SIZES, p=(0.2, 0.6, 0.2))) if place == CENTER else str(rng.choice(SIZES[:2], p=(0.4, 0.6)))
    outlined = shape in OUTLINABLE and pattern == "plain" and size != "small" and rng.random() < 0.12
    radius = RADII[size] * float(rng.uniform(0.94, 1.06))
    spot = [0.25 + 0.25 * (place % 3), 0.25 + 0.25 * (place // 3)]
    x, y = (float(np.clip(s + rng.uniform(-0.02, 0.02), radius + 0.02, 0.98 - radius)) for s in spot)
    return Scene("single", (Thing(shape, colour, x, y, radius, outlined),), pattern, colours, size, place)


def group(rng: np.random.Generator) -> Scene:
    """Two to four objects alike."""
    shape, colour = _kind(rng)
    pattern, colours = random_background(rng, (colour,), (0.4, 0.4, 0.07, 0.07, 0.06))
    spots = GROUP_SPOTS[int(rng.integers(2, 5))]
    radius = float(rng.uniform(0.15, 0.17))
    things = tuple(
        Thing(shape, colour, x + float(rng.uniform(-0.015, 0.015)), y + float(rng.uniform(-0.015, 0.015)), radius)
        for x, y in spots
    )
    return Scene("group", things, pattern, colours)


def pair(rng: np.random.Generator) -> Scene:
    """Two objects of different colours; the first is the left or the upper one."""
    first = _kind(rng)
    second = _kind(rng, (first[1],))
    pattern, colours = random_background(rng, (first[1], second[1]), (0.5, 0.38, 0.04, 0.04, 0.04))
    vertical = bool(rng.random() < 0.5)
    things = []
    for (shape, colour), along in ((first, 0.27), (second, 0.73)):
        radius = float(rng.uniform(0.17, 0.19))
        a, b = along + float(rng.uniform(-0.015, 0.015)), 0.5 + float(rng.uniform(-0.015, 0.015))
        things.append(Thing(shape, colour, b if vertical else a, a if vertical else b, radius))
    return Scene("pair", tuple(things), pattern, colours, vertical=vertical)


def random_scene(seed: int, index: int) -> Scene:
    """The scene number `index` of the data set `seed`: 38 % single objects, 17 % groups, 45 % pairs."""
    rng = np.random.default_rng((seed, index))
    lot = rng.random()
    return single(rng) if lot < 0.38 else group(rng) if lot < 0.55 else pair(rng)
