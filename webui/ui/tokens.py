"""The page's design tokens in one table; the theme, the stylesheet and the contrast test are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scheme = Literal["dark", "light"]


@dataclass(frozen=True, slots=True)
class Colour:
    """One colour in both schemes, as #rrggbb."""

    name: str
    dark: str
    light: str
    use: str

    def of(self, scheme: Scheme) -> str:
        """The colour in one scheme."""
        return self.dark if scheme == "dark" else self.light


COLOURS = (
    Colour("bg", "#12100f", "#f5f1ec", "page"),
    Colour("surface", "#191615", "#fcfaf7", "empty picture, thumbnail ground"),
    Colour("raised", "#221e1c", "#fffefc", "fields"),
    Colour("hover", "#2c2724", "#ece5de", "secondary buttons, hover"),
    Colour("line", "#2d2825", "#e2dad2", "hairlines between rows, decoration only"),
    Colour("edge", "#7a6f68", "#8c8077", "lower edge of fields, slider track, switch outline"),
    Colour("text", "#f0e9e3", "#231d1a", "text"),
    Colour("muted", "#ab9f97", "#665b54", "labels, second lines, placeholders"),
    Colour("accent", "#ff7043", "#b23a10", "links, focus ring, selected tab, what is switched on"),
    Colour("fill", "#f4602f", "#b8400f", "Generate, progress, checked boxes"),
    Colour("fill-hover", "#ff7443", "#9c350b", "the same under the pointer"),
    Colour("on", "#190903", "#fffaf6", "text on fill"),
    Colour("ok", "#8fbf8a", "#3d6b39", "state words; never colour alone"),
    Colour("warn", "#e5b454", "#7d5600", "state words; never colour alone"),
    Colour("err", "#ff8a75", "#a8281b", "state words; never colour alone"),
)

# Everything else that has a number. Pixels, except where a unit stands.
SIZES = {
    "r-picture": "4px",
    "r-field": "6px",
    "r-panel": "8px",
    "h-field": "36px",
    "h-small": "32px",
    "h-large": "44px",
    "gap-row": "12px",
    "gap-group": "24px",
    "gap-main": "40px",
    "margin": "24px",
    "page": "1760px",
    "list": "1160px",
    "settings": "760px",
}

SANS = "IBM Plex Sans"
MONO = "IBM Plex Mono"

# (text, ground, least ratio): what WCAG 2 AA asks of each pair that the page puts together.
PAIRS = (
    ("text", "bg", 4.5),
    ("text", "surface", 4.5),
    ("text", "raised", 4.5),
    ("text", "hover", 4.5),
    ("muted", "bg", 4.5),
    ("muted", "surface", 4.5),
    ("muted", "raised", 4.5),
    ("muted", "hover", 4.5),
    ("accent", "bg", 4.5),
    ("accent", "surface", 4.5),
    ("accent", "hover", 4.5),
    ("on", "fill", 4.5),
    ("on", "fill-hover", 4.5),
    ("ok", "bg", 4.5),
    ("warn", "bg", 4.5),
    ("warn", "surface", 4.5),
    ("err", "bg", 4.5),
    ("err", "surface", 4.5),
    ("err", "raised", 4.5),
    ("accent", "raised", 4.5),
    ("edge", "bg", 3.0),
    ("edge", "raised", 3.0),
    ("fill", "bg", 3.0),
)


def colour(name: str) -> Colour:
    """The row with this name."""
    return next(row for row in COLOURS if row.name == name)


def var(name: str) -> str:
    """The CSS expression for a token; its name is checked, so that a typing error fails when the page is built."""
    if name not in SIZES:
        name = next(row.name for row in COLOURS if row.name == name)
    return f"var(--dk-{name})"


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two #rrggbb colours, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def stylesheet() -> str:
    """The tokens as CSS custom properties: light on the root, dark where the root has the class dk-dark."""
    sizes = "".join(f"--dk-{name}:{value};" for name, value in SIZES.items())
    light = "".join(f"--dk-{row.name}:{row.light};" for row in COLOURS)
    dark = "".join(f"--dk-{row.name}:{row.dark};" for row in COLOURS)
    return (
        f":root{{color-scheme:light;{sizes}{light}--dk-sans:'{SANS}',system-ui,sans-serif;"
        f"--dk-mono:'{MONO}',ui-monospace,monospace}}\n"
        f":root.dk-dark{{color-scheme:dark;{dark}}}\n"
    )


def _luminance(value: str) -> float:
    channels = (int(value[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
