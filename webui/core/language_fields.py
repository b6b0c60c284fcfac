"""The fields of a request that say how its prompts are read; rows of core/fields.py. Names and limits are A1111's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from webui.core.field import Field
from webui.core.prompt.emphasis import MODES, ORIGINAL

EmphasisMode = Literal["Original", "No norm", "Ignore", "None"]
_A1111 = re.compile(r"v(\d{1,3})\.(\d{1,3})")
_NEW_TIMELINES = (1, 6)

LANGUAGE_ROWS: Final[tuple[Field, ...]] = (
    Field(
        "emphasis",
        "choice",
        "Emphasis mode",
        "How (word:1.3) and [word] count: Original keeps the mean of the text's vectors, No norm does not, Ignore "
        "drops the weights, None reads the brackets as text.",
        ORIGINAL,
        maximum=20,
        choices=MODES,
        infotext="Emphasis",
        group="prompt",
    ),
    Field(
        "comma_padding_backtrack",
        "int",
        "Prompt word wrap length limit",
        "In tokens: what stands behind a comma so near a full chunk's end moves to the next chunk; 0 cuts where it is "
        "full.",
        20,
        minimum=0,
        maximum=74,
        step=1,
        infotext="Prompt word wrap length limit",
        group="prompt",
    ),
    Field(
        "use_old_scheduling",
        "bool",
        "Old prompt editing timelines",
        "Read the number of [from:to:number] as A1111 did before 1.6: below 1 it is a share of the steps, else a step.",
        False,
        infotext="Old prompt editing timelines",
        group="prompt",
    ),
    Field(
        "enable_prompt_comments",
        "bool",
        "Comments in prompts",
        "Leave out what stands between # and the line's end.",
        True,
        infotext="Prompt comments",
        group="prompt",
    ),
)

LANGUAGE_OPTIONS: Final[Mapping[str, Field]] = MappingProxyType({row.name: row for row in LANGUAGE_ROWS})
"""By name."""


def is_read_the_old_way(version: str, *prompts: str) -> bool:
    """Whether prompts were written for A1111 before 1.6, which read the numbers of prompt editing otherwise.

    version: as an infotext has it.
    """
    found = _A1111.match(version)
    return found is not None and (int(found[1]), int(found[2])) < _NEW_TIMELINES and "[" in "".join(prompts)
