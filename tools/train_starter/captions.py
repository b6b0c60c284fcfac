"""Captions for scenes, drawn by lot afresh at every step: templates, synonyms, junk words, partial captions."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from tools.train_starter.scene import CENTER, PLACES, Scene

NOUNS = {
    "circle": ("circle", "disc", "dot"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
    "diamond": ("diamond", "rhombus"),
    "cross": ("cross", "plus", "plus sign"),
    "moon": ("moon", "crescent", "crescent moon"),
}
PLURALS = {"box": "boxes", "rhombus": "rhombuses", "cross": "crosses", "plus": "pluses"}
SYNONYMS = {"purple": ("violet",), "cyan": ("turquoise",), "grey": ("gray",), "red": ("crimson",)}
SIZE_WORDS = {"small": ("small", "tiny", "little"), "medium": ("",), "large": ("large", "big", "huge")}
NUMBERS = {1: ("one", "1"), 2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")}
BEFORE = (
    "a photo of",
    "a picture of",
    "an image of",
    "a drawing of",
    "an illustration of",
    "masterpiece,",
    "best quality,",
)
AFTER = (
    "masterpiece",
    "best quality",
    "highly detailed",
    "4k",
    "simple",
    "vector art",
    "flat colors",
    "sharp",
    "clean",
)
UNWANTED = (
    "blurry", "low quality", "worst quality", "bad anatomy", "ugly", "deformed", "watermark", "text", "jpeg artifacts",
    "lowres", "noise", "distorted", "bad", "nsfw", "cropped", "signature",
)  # fmt: skip
HORIZONTAL = (
    "{0} left of {1}", "{0} to the left of {1}", "{0} on the left of {1}", "{1} right of {0}",
    "{1} to the right of {0}", "{0} next to {1}", "{0} beside {1}", "{0} and {1}", "{0} and {1}",
    "{0} on the left and {1} on the right", "{0} on the left , {1} on the right",
)  # fmt: skip
VERTICAL = (
    "{0} above {1}", "{0} above {1}", "{0} over {1}", "{0} on top of {1}", "{1} below {0}", "{1} below {0}",
    "{1} under {0}", "{1} beneath {0}", "{0} at the top and {1} at the bottom", "{0} at the top , {1} at the bottom",
)  # fmt: skip
BACKGROUNDS = {
    "plain": (
        "on a {0} background", "on a {0} background", "on {0}", "in front of a {0} background", ", {0} background",
    ),
    "gradient": ("on a gradient from {0} to {1}", "on a {0} to {1} gradient", "on a {0} to {1} gradient background"),
    "striped": ("on a {0} and {1} striped background", "on {0} and {1} stripes", ", {0} and {1} striped background"),
    "checkered": (
        "on a {0} and {1} checkered background", "on a {0} and {1} checkerboard", ", {0} and {1} checkered background",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Caption:
    """Pieces of a caption in order; `marks` says which object a piece's last word names, or None.

    `unsaid` names what the caption leaves open though the scene has it: "shape", "colour".
    """

    pieces: tuple[str, ...]
    marks: tuple[int | None, ...]
    unsaid: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """The caption as a person would type it."""
        return " ".join(p for p in self.pieces if p).replace(" ,", ",").strip(", ")


def _of(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def colour_word(rng: np.random.Generator, colour: str) -> str:
    """The colour's name, or now and then a synonym."""
    return _of(rng, SYNONYMS[colour]) if colour in SYNONYMS and rng.random() < 0.2 else colour


def _noun(rng: np.random.Generator, shape: str, count: int) -> str:
    noun = NOUNS[shape][0] if rng.random() < 0.75 else _of(rng, NOUNS[shape])
    return noun if count == 1 else PLURALS.get(noun, noun + "s")


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _thing(rng: np.random.Generator, scene: Scene, index: int, count: int, bare: bool) -> str:
    """The words for one object (or a group of `count` alike), the noun last."""
    thing = scene.things[index]
    words = [_of(rng, SIZE_WORDS[scene.size])] if scene.layout == "single" else []
    words += ["outlined"] if thing.outlined else []
    words.append(colour_word(rng, thing.colour))
    words.append(_noun(rng, thing.shape, count))
    words = [w for w in words if w]
    if count > 1:
        return " ".join([_of(rng, NUMBERS[count]), *words])
    if bare:
        return " ".join(words)
    first = _article(words[0]) if rng.random() < 0.9 else _of(rng, ("one", "the", "a single"))
    return " ".join([first, *words])


def _place(rng: np.random.Generator, place: int) -> str:
    name = PLACES[place]
    if place == CENTER:
        return _of(rng, ("in the center", "in the middle", "in the centre"))
    if " " in name:
        return _of(rng, (f"in the {name}", f"in the {name} corner", f"at the {name}"))
    return f"at the {name}" if name in ("top", "bottom") else _of(rng, (f"on the {name}", f"at the {name}"))


def _relation(rng: np.random.Generator, scene: Scene, bare: bool) -> list[tuple[str, int | None]]:
    """The two objects and the words that say where they stand, cut into pieces."""
    template = _of(rng, VERTICAL if scene.vertical else HORIZONTAL)
    order = (0, 1) if template.index("{0}") < template.index("{1}") else (1, 0)
    _, between, after = template.replace("{1}", "{0}").split("{0}")
    first, second = (_thing(rng, scene, index, 1, bare) for index in order)
    return [(first, order[0]), (between.strip(), None), (second, order[1]), (after.strip(), None)]


def _partial(rng: np.random.Generator, scene: Scene) -> Caption:
    """A caption of one object that leaves its colour or its shape open."""
    thing = scene.things[0]
    if rng.random() < 0.6:
        noun = _noun(rng, thing.shape, 1)
        return Caption((noun if rng.random() < 0.4 else f"{_article(noun)} {noun}",), (None,), frozenset({"colour"}))
    colour = colour_word(rng, thing.colour)
    return Caption(
        (_of(rng, (colour, f"something {colour}", f"{_article(colour)} {colour} shape")),),
        (None,),
        frozenset({"shape"}),
    )


def _junk(rng: np.random.Generator, parts: list[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    lot = rng.random()
    if lot < 0.12:
        return [(_of(rng, BEFORE), None), *parts]
    if lot < 0.24:
        return [*parts, (", " + _of(rng, AFTER), None)]
    return parts


def caption(rng: np.random.Generator, scene: Scene) -> Caption:
    """A caption that says everything about `scene` that its default does not (but see `Caption.unsaid`)."""
    plain_single = (
        scene.layout == "single" and scene.default_background and scene.size == "medium" and scene.place == CENTER
    )
    if plain_single and not scene.things[0].outlined and rng.random() < 0.12:
        return _partial(rng, scene)
    bare = rng.random() < 0.35
    parts: list[tuple[str, int | None]]
    if scene.layout == "pair":
        parts = _relation(rng, scene, bare)
    else:
        parts = [(_thing(rng, scene, 0, len(scene.things), bare), 0)]
        if scene.layout == "single" and (scene.place != CENTER or rng.random() < 0.15):
            parts.append((_place(rng, scene.place), None))
    if not scene.default_background or rng.random() < 0.25:
        words = _of(rng, BACKGROUNDS[scene.pattern]).format(*(colour_word(rng, c) for c in scene.colours))
        words = re.sub(r"\ba (?=[aeiou])", "an ", words)
        if rng.random() < 0.08 and not words.startswith(","):
            parts = [(words + " ,", None), *parts]
        else:
            parts.append((words, None))
    parts = _junk(rng, parts)
    return Caption(tuple(p for p, _ in parts), tuple(m for _, m in parts))


def plain(words: str) -> Caption:
    """A caption of one piece that names no object."""
    return Caption((words,), (None,))


def dropped(rng: np.random.Generator) -> Caption:
    """What stands in for a caption where guidance needs the unconditional answer: nothing, or unwanted words."""
    if rng.random() < 0.7:
        return plain("")
    words = rng.choice(UNWANTED, int(rng.integers(1, 5)), replace=False)
    return plain(", ".join(words))
