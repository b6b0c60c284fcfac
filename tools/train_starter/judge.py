"""Reading a picture: pixel rules for colours, objects as connected areas, and what of a scene is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from tools.train_starter.draw import background
from tools.train_starter.scene import COLOUR_NAMES, COLOURS, Scene

PALETTE = np.array(list(COLOURS.values()), np.float32)
# Smallest area in pixels that counts as an object; a small moon has about 300.
LEAST = 60
CROP = 32
Classify = Callable[[np.ndarray], list[str]]


@dataclass(frozen=True)
class Area:
    """One connected area of a colour: centre in parts of the side, and a float32 crop [32, 32] of its mask."""

    x: float
    y: float
    crop: np.ndarray


def nearest(picture: np.ndarray) -> np.ndarray:
    """The index of the nearest colour of the palette for each pixel, [h, w]."""
    distance = np.square(picture[:, :, None].astype(np.float32) - PALETTE).sum(-1)
    return distance.argmin(-1)


def mask_of(names: np.ndarray, colour: str) -> np.ndarray:
    """Where the picture has `colour`, without specks and thin edges: bool [h, w]."""
    raw = Image.fromarray((names == COLOUR_NAMES.index(colour)).astype(np.uint8) * 255)
    return np.asarray(raw.filter(ImageFilter.MedianFilter(5))) > 127


def _crop(mask: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """The area's own box in a square with a margin, scaled to 32 x 32, 0 to 1."""
    part = mask[box].astype(np.uint8) * 255
    side = int(max(part.shape) * 1.15) + 1
    square = Image.new("L", (side, side))
    square.paste(Image.fromarray(part), ((side - part.shape[1]) // 2, (side - part.shape[0]) // 2))
    return np.asarray(square.resize((CROP, CROP), Image.Resampling.BILINEAR), np.float32) / 255


def areas(names: np.ndarray, colour: str) -> list[Area]:
    """The objects of `colour`, left to right."""
    mask = mask_of(names, colour)
    labels, _ = ndimage.label(mask)
    out = []
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        own = labels == label
        if own.sum() >= LEAST:
            y, x = ndimage.center_of_mass(own)
            out.append(Area(x / mask.shape[1], y / mask.shape[0], _crop(own, box)))
    return sorted(out, key=lambda area: area.x)


def _ground_right(picture: np.ndarray, names: np.ndarray, scene: Scene, named: bool) -> bool:
    """Whether what is not object is the background asked for, or any plain one when none was named."""
    things = np.isin(names, [COLOUR_NAMES.index(t.colour) for t in scene.things])
    free = ~ndimage.binary_dilation(ndimage.binary_opening(things), iterations=4)
    if free.sum() < 1000:
        return False
    seen = names[free]
    if scene.pattern == "gradient":
        ideal = background("gradient", scene.colours)[free].astype(np.float32)
        return bool(np.abs(picture[free] - ideal).mean() < 25)
    if scene.pattern == "plain":
        wanted = COLOUR_NAMES.index(scene.colours[0]) if named else np.bincount(seen).argmax()
        return bool((seen == wanted).mean() > 0.92)
    ideal = nearest(background(scene.pattern, scene.colours))[free]
    other = nearest(background(scene.pattern, scene.colours[::-1]))[free]
    return bool(max((seen == ideal).mean(), (seen == other).mean()) > 0.9)


def _place_of(area: Area) -> int:
    column, row = (int(np.clip(round((v - 0.25) / 0.25), 0, 2)) for v in (area.x, area.y))
    return 3 * row + column


def judge(picture: np.ndarray, scene: Scene, named: bool, classify: Classify) -> dict[str, bool]:
    """What of `scene` the picture shows: colour, shape, count, ground, place; `named`: the caption names the ground.

    Shape needs the right objects to be found by their colour first.
    """
    names = nearest(picture)
    colours = dict.fromkeys(t.colour for t in scene.things)
    found = {colour: areas(names, colour) for colour in colours}
    wanted = {colour: [t for t in scene.things if t.colour == colour] for colour in colours}
    right = {"colour": all(found.values()), "count": all(len(found[c]) == len(wanted[c]) for c in colours)}
    right["shape"] = right["colour"] and all(
        set(classify(np.stack([a.crop for a in found[c]]))) == {wanted[c][0].shape} for c in colours
    )
    right["ground"] = _ground_right(picture, names, scene, named)
    right["place"] = right["count"] and _places_right(scene, [found[t.colour][0] for t in scene.things])
    return right


def _places_right(scene: Scene, seen: list[Area]) -> bool:
    if scene.layout == "single":
        return _place_of(seen[0]) == scene.place
    if scene.layout == "group":
        return True
    across, down = seen[1].x - seen[0].x, seen[1].y - seen[0].y
    return down > max(0.2, abs(across)) if scene.vertical else across > max(0.2, abs(down))
