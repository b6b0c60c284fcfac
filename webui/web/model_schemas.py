"""Models and their cards as the API shows and takes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic import Field as Describe

from webui.engine.cards.card import CLIP_SKIPS, MAX_LETTERS, MAX_WEIGHT
from webui.web.schemas import Strict

ModelKind = Literal["checkpoint", "vae", "text_encoder", "lora", "embedding"]
SortBy = Literal["name", "date", "path", "size"]
Order = Literal["asc", "desc"]

_Text = Annotated[str | None, Describe(max_length=MAX_LETTERS)]


class ModelOut(BaseModel):
    """A model in a list. `changed` in Unix seconds; `preview` is a path on this server, null without one.

    name: its path below the folder that was searched; title: what a request calls it; label: what a list calls
    it, with its ending only where another one has the same name; folder: where it lies below that
    folder; namesake: whether another folder has one with this label. family_title: of a checkpoint its family's, of a
    LoRA the one that it is for, of a VAE or text encoder what kind it is, else empty. usable: whether something here
    can use it; problem: why it cannot be used. hides: files that are not used since this one has their name and comes
    first, told to the owner alone. description: its beginning.
    preferred_weight: in a prompt, 0 where none is preferred; activation_text, negative_text: what goes into the prompts
    with it.
    """

    id: str
    kind: ModelKind
    name: str
    title: str
    label: str
    folder: str
    namesake: bool
    family: str
    family_title: str
    size_bytes: int
    changed: float
    usable: bool
    problem: str | None
    hides: list[str]
    preview: str | None
    description: str
    trigger_words: list[str]
    preferred_weight: float
    activation_text: str
    negative_text: str


class ListedModelOut(ModelOut):
    """A model in a page of them. unfit: why the checkpoint that was asked about cannot use it, "" where it can."""

    unfit: str


class ModelsOut(BaseModel):
    """A page of models; `total` of all pages, `next` the cursor of the page after this one, null after the last."""

    models: list[ListedModelOut]
    total: int
    next: str | None


class FolderOut(BaseModel):
    """A folder with models in it or below it; `path` is "" for all, `models` how many."""

    path: str
    models: int


class FoldersOut(BaseModel):
    """All folders with models, by name; each stands after the one that it lies in."""

    folders: list[FolderOut]


class CivitaiOut(BaseModel):
    """Where a model comes from on CivitAI; ids are 0 where they are not known."""

    model_id: int
    version_id: int
    model_name: str
    version_name: str


class CardOut(BaseModel):
    """What is said of a model; `preferred_weight` and `clip_skip` are 0 where none is preferred.

    trained_words: CivitAI's. problems: sentences on files that cannot be read. notes, civitai and problems are told to
    the owner alone.
    """

    description: str
    notes: str
    sd_version: str
    activation_text: str
    negative_text: str
    preferred_weight: float
    vae: str
    clip_skip: int
    trained_words: list[str]
    base_model: str
    civitai: CivitaiOut | None
    problems: list[str]


class ModelCardOut(ModelOut):
    """One model in full. path: where it lies, told to the owner alone.

    hash: sha256, empty until it is computed. facts: what is known of its content; of a checkpoint with the names of
    CheckpointOut, of a VAE or text encoder with those of ModuleOut; of a LoRA `training`, what that wrote into it
    (name, base_model, network, dim, alpha, resolution, clip_skip, images, epochs, steps, trained, all texts, and `tags`
    with how often each was), where it wrote something; of others empty.
    """

    path: str | None
    hash: str
    card: CardOut
    facts: dict[str, Any]


class CardChanges(Strict):
    """What of a card is to be changed; what is not named stays. Empty texts and 0 take a value away."""

    description: _Text = None
    notes: _Text = None
    sd_version: _Text = None
    activation_text: _Text = None
    negative_text: _Text = None
    preferred_weight: Annotated[float | None, Describe(ge=-MAX_WEIGHT, le=MAX_WEIGHT)] = None
    vae: Annotated[str | None, Describe(max_length=500)] = None
    clip_skip: Annotated[int | None, Describe(ge=CLIP_SKIPS[0], le=CLIP_SKIPS[1])] = None


class PreviewChoice(Strict):
    """The picture of the gallery that becomes a preview."""

    picture_id: Annotated[str, Describe(max_length=100)]
