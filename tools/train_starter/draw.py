"""Drawing a scene: shapes as polygons with supersampling, and the background's patterns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from tools.train_starter.scene import COLOURS, Scene, Thing

SIDE = 128
SUPERSAMPLING = 4
STRIPE = 16
Points = np.ndarray
Palette = Mapping[str, tuple[int, int, int]]


def _circle(radius: float = 1.0, count: int = 72) -> Points:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def _star() -> Points:
    angle = -np.pi / 2 + np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2 == 0, 1.08, 0.46)
    return np.stack([reach * np.cos(angle), reach * np.sin(angle) + 0.06], 1)


def _heart() -> Points:
    t = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y - 2.5], 1) / 16.5


def _cross(arm: float = 0.34) -> Points:
    a = arm
    corners = [
        (-a, -1),
        (a, -1),
        (a, -a),
        (1, -a),
        (1, a),
        (a, a),
        (a, 1),
        (-a, 1),
        (-a, a),
        (-1, a),
        (-1, -a),
        (-a, -a),
    ]
    return np.array(corners, float)


def _moon() -> Points:
    """A crescent open to the right: the outer arc, then back along a shifted circle."""
    outer = np.linspace(np.radians(50), np.radians(310), 48)
    start = np.array([np.cos(outer[0]), np.sin(outer[0])])
    centre = 0.5
    inner_radius = float(np.hypot(start[0] - centre, start[1]))
    edge = float(np.arctan2(start[1], start[0] - centre))
    inner = np.linspace(2 * np.pi - edge, edge, 40)
    arcs = [
        np.stack([np.cos(outer), np.sin(outer)], 1),
        np.stack([centre + inner_radius * np.cos(inner), inner_radius * np.sin(inner)], 1),
    ]
    return np.concatenate(arcs) + np.array([0.15, 0.0])


OUTLINES: dict[str, Points] = {
    "circle": _circle(),
    "square": np.array([(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]),
    "triangle": np.array([(0, -0.98), (1.05, 0.84), (-1.05, 0.84)]),
    "star": _star(),
    "heart": _heart(),
    "diamond": np.array([(0, -1.05), (0.8, 0), (0, 1.05), (-0.8, 0)]),
    "cross": _cross(),
    "moon": _moon(),
}


def _mask(thing: Thing, side: int) -> Image.Image:
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    centre = np.array([thing.x, thing.y])
    points = OUTLINES[thing.shape] * thing.radius
    pen.polygon([tuple(p) for p in (points + centre) * side], fill=255)
    if thing.outlined:
        middle = (points.max(0) + points.min(0)) / 2
        inner = (points - middle) * 0.62 + middle
        pen.polygon([tuple(p) for p in (inner + centre) * side], fill=0)
    return mask


def background(pattern: str, colours: tuple[str, ...], side: int = SIDE, palette: Palette = COLOURS) -> np.ndarray:
    """The background alone, uint8 [side, side, 3]; stripes stand upright, gradients run downwards."""
    first = np.array(palette[colours[0]], np.float32)
    second = np.array(palette[colours[-1]], np.float32)
    rows, columns = np.mgrid[0:side, 0:side]
    cell = STRIPE * side // SIDE
    if pattern == "gradient":
        part = rows / (side - 1)
    elif pattern == "striped":
        part = (columns // cell) % 2
    elif pattern == "checkered":
        part = (columns // cell + rows // cell) % 2
    else:
        part = np.zeros((side, side))
    return np.round(first + (second - first) * part[..., None]).astype(np.uint8)


def draw(scene: Scene, side: int = SIDE, palette: Palette = COLOURS) -> np.ndarray:
    """The picture of `scene`: uint8 RGB [side, side, 3]."""
    large = side * SUPERSAMPLING
    picture = Image.fromarray(background(scene.pattern, scene.colours, side, palette))
    for thing in scene.things:
        mask = _mask(thing, large).reduce(SUPERSAMPLING)
        picture.paste(palette[thing.colour], (0, 0), mask)
    return np.asarray(picture)
