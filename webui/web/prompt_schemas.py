"""The API's bodies and answers about styles, wildcards and what prompts become."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel
from pydantic import Field as Describe

from webui.core.field import MAX_NAMES
from webui.core.fields import FIELDS
from webui.core.prompt.styles import MAX_NAME
from webui.web.schemas import Strict

_LONGEST = int(FIELDS["prompt"].maximum or 0)
MOST_DRAWN = 100

Text = Annotated[str, Describe(max_length=_LONGEST)]
Names = Annotated[list[str], Describe(max_length=MAX_NAMES, default_factory=list)]


class StyleBody(Strict):
    """The body of POST /styles. file: which of the files takes it; left out, the one that has it, else the first."""

    name: Annotated[str, Describe(max_length=MAX_NAME)]
    prompt: Text = ""
    negative_prompt: Text = ""
    file: Annotated[str, Describe(max_length=500)] = ""


class StyleOut(BaseModel):
    """A style. file: the name of the file that it stands in."""

    name: str
    prompt: str
    negative_prompt: str
    file: str


class StylesOut(BaseModel):
    """All styles. files: names of the files, the first takes new ones. problems: sentences, for the owner."""

    styles: list[StyleOut]
    files: list[str]
    problems: list[str]


class PromptsBody(Strict):
    """The body of POST /styles/apply: prompts and the names of styles."""

    prompt: Text = ""
    negative_prompt: Text = ""
    styles: Names


class PromptsOut(BaseModel):
    """Two prompts."""

    prompt: str
    negative_prompt: str


class DrawBody(PromptsBody):
    """The body of POST /prompts/draw: what a request would say, and of how many pictures the texts are wanted.

    seed: -1 draws one. In combinatorial generation `count` is the most that are told.
    """

    seed: Annotated[int, Describe(ge=-1, le=int(FIELDS["seed"].maximum or 0))] = -1
    count: Annotated[int, Describe(ge=1, le=MOST_DRAWN)] = 1
    dynamic_prompts: bool = True
    combinatorial: bool = False
    enable_prompt_comments: bool = True


class DrawOut(BaseModel):
    """The texts of the pictures in order. pictures: how many the request would make.

    template, negative_template: the prompts with their styles, which they are drawn from. notes: what could not be
    done, in sentences.
    """

    all_prompts: list[str]
    all_negative_prompts: list[str]
    template: str
    negative_template: str
    pictures: int
    seed: int
    notes: list[str]


class WildcardOut(BaseModel):
    """A wildcard. values: how many it has."""

    name: str
    values: int


class WildcardsOut(BaseModel):
    """All wildcards by name. problems: of files that were left out, sentences for the owner."""

    wildcards: list[WildcardOut]
    problems: list[str]


class WildcardValue(BaseModel):
    """One value of a wildcard."""

    text: str
    weight: float


class WildcardValuesOut(BaseModel):
    """Values of one wildcard, or of all that a pattern fits, `total` in all."""

    values: list[WildcardValue]
    total: int
