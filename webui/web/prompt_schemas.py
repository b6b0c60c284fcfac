"""The API's bodies and answers about styles, wildcards and what prompts become."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel
from pydantic import Field as Describe

from webui.core.field import MAX_NAMES
from webui.core.fields import FIELDS
from webui.core.language_fields import EmphasisMode
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


class TextsBody(PromptsBody):
    """What the texts of a request's pictures depend on. seed: -1 draws one."""

    seed: Annotated[int, Describe(ge=-1, le=int(FIELDS["seed"].maximum or 0))] = -1
    subseed_strength: Annotated[float, Describe(ge=0, le=1)] = 0.0
    batch_size: Annotated[int, Describe(ge=1, le=int(FIELDS["batch_size"].maximum or 1))] = 1
    dynamic_prompts: bool = True
    combinatorial: bool = False
    enable_prompt_comments: bool = True


class DrawBody(TextsBody):
    """The body of POST /prompts/draw: what a request would say, and of how many pictures the texts are wanted.

    In combinatorial generation `count` is the most that are told.
    """

    count: Annotated[int, Describe(ge=1, le=MOST_DRAWN)] = 1


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


class ReadBody(TextsBody):
    """The body of POST /prompts/read: besides, the values that decide how the texts are read."""

    checkpoint: Annotated[str, Describe(max_length=200)] = ""
    steps: Annotated[int, Describe(ge=1, le=int(FIELDS["steps"].maximum or 1))] = 20
    sampler_name: Annotated[str, Describe(max_length=100)] = ""
    emphasis: EmphasisMode = "Original"
    comma_padding_backtrack: Annotated[int, Describe(ge=0, le=74)] = 20
    use_old_scheduling: bool = False


class ChunkOut(BaseModel):
    """Tokens that are encoded together: how many of the `room` places are taken, and the words as they are read."""

    tokens: int
    room: int
    text: str


class EncoderOut(BaseModel):
    """A text encoder, and the chunks that it is told. left: how many tokens at the end it is not told."""

    name: str
    chunks: list[ChunkOut]
    left: int


class StretchOut(BaseModel):
    """A text, and the share of the steps until which it holds. differs: of it what the others have otherwise."""

    until: float
    text: str
    differs: str


class SubPromptOut(BaseModel):
    """A text between AND, over the steps."""

    weight: float
    stretches: list[StretchOut]


class TextOut(BaseModel):
    """A prompt as the first picture has it. tokens, limit: 0 where no checkpoint can count them.

    They and encoders are of the text that takes most of all that the prompt ever is: it stands in `longest_part`, from
    1, with `longest_words`; 0 where it is a single text.
    """

    text: str
    tokens: int
    limit: int
    encoders: list[EncoderOut]
    parts: list[SubPromptOut]
    longest_part: int
    longest_words: str


class NetworkOut(BaseModel):
    """An extra network of the prompt. file: the name of what was found, else "". problem: a sentence, "" where it can
    be used. like: the name that is most like it, where it was not found. note: what of it is used otherwise than it is
    written, "" where nothing is."""

    written: str
    type: str
    name: str
    file: str
    problem: str
    like: str
    note: str


class ReadOut(BaseModel):
    """What prompts say before anything is made of them. pictures: more than a batch in combinatorial generation alone.

    notes: what would be done otherwise than it was typed, in sentences.
    """

    prompt: TextOut
    negative_prompt: TextOut
    networks: list[NetworkOut]
    pictures: int
    notes: list[str]


NameKind = Literal["lora", "embedding", "wildcard", "style"]


class NameOut(BaseModel):
    """A name that a prompt may hold. written: as it stands there, "" of a style, which is chosen. note: its model, or
    how many values it has."""

    kind: NameKind
    name: str
    written: str
    note: str


class NamesOut(BaseModel):
    """Names, those that begin with what was searched first."""

    names: list[NameOut]


class RecentPromptOut(BaseModel):
    """Prompts that were used, with their styles; `used` in Unix seconds."""

    prompt: str
    negative_prompt: str
    styles: list[str]
    used: float


class RecentPromptsOut(BaseModel):
    """The newest first."""

    prompts: list[RecentPromptOut]


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
