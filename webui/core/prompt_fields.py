"""The fields of a request that make other texts of its prompts: styles, and dynamic prompts."""

from __future__ import annotations

from webui.core.field import Field

PROMPT_ROWS: tuple[Field, ...] = (
    Field(
        "styles",
        "names",
        "Styles",
        "Names of styles that are put on both prompts, in this order.",
        (),
        maximum=200,
        catalogue="styles",
        elem_id="styles",
        flags=("--style",),
        group="prompt",
    ),
    Field(
        "dynamic_prompts",
        "bool",
        "Dynamic prompts",
        "Draw {a|b} and __wildcards__ anew for each picture, by its seed; without it they are text.",
        True,
        elem_id="dynamic_prompts",
        group="prompt",
    ),
    Field(
        "combinatorial",
        "bool",
        "Combinatorial generation",
        "Make a picture of every combination instead of drawing; the batch count follows from how many there are.",
        False,
        elem_id="combinatorial",
        group="prompt",
    ),
)
