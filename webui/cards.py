"""Models with their cards, as the page, the API and the CLI may see and change them: part of the one door."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webui.core.errors import DarkroomError, InvalidField, NotAllowed, NotFound, UnknownName
from webui.core.job import Identity
from webui.core.registry import Registry
from webui.core.settings import SettingsStore
from webui.engine.adapters.training import training_of
from webui.engine.cards.card import Card, Civitai
from webui.engine.cards.listing import Page, Query, folders_of, page_of
from webui.engine.cards.shelf import CHECKPOINT, LORA, Model, Shelf
from webui.engine.cards.write import write_facts, write_preview
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.chosen import Used, used
from webui.engine.checkpoints.completion import AUTOMATIC, NONE, PartFile, find_part
from webui.engine.checkpoints.facts import facts_of, facts_of_file
from webui.images.thumbnails import Thumbnails
from webui.model_news import ModelNews


@dataclass(frozen=True, slots=True)
class CardPlaces:
    """Where thumbnails of previews are kept, and previews that were replaced."""

    thumbnails: Path
    bin: Path


class Cards:
    """What may be known of models, and by whom: others than the owner see those that work, without notes and origin."""

    def __init__(
        self, shelf: Shelf, catalogue: Catalogue, registry: Registry, settings: SettingsStore, places: CardPlaces
    ) -> None:
        self._shelf, self._catalogue, self._registry, self._settings = shelf, catalogue, registry, settings
        self._places = places
        self._thumbnails = Thumbnails(places.thumbnails)
        self._writing = threading.Lock()
        self.news = ModelNews(shelf.all)
        """That there are other models than before, which everybody may know."""

    def page(self, query: Query, who: Identity) -> Page:
        """Some of the models. Raises InvalidField."""
        found = page_of(self._seen(who), query, private=who.is_owner)
        return replace(found, models=[_shown(model, who) for model in found.models])

    def of(self, kind: str, who: Identity) -> list[Model]:
        """All models of this kind."""
        return [_shown(model, who) for model in self._seen(who) if model.kind == kind]

    def folders(self, kind: str, who: Identity) -> dict[str, int]:
        """How many models of this kind ("" is all) lie in each folder and below it."""
        return folders_of(model for model in self._seen(who) if kind in ("", model.kind))

    def get(self, model_id: str, who: Identity) -> Model:
        """One model. Raises NotFound, also for one that the asker may not see."""
        return _shown(self._may_see(model_id, who), who)

    def facts(self, model: Model) -> dict[str, Any]:
        """What is known of its content, JSON-ready and without any path; of a LoRA what its training wrote into it."""
        if isinstance(model.thing, Checkpoint):
            known = facts_of(self.used(model.thing), self._registry)
            return {name: fact for name, fact in known.items() if name != "card"}
        if isinstance(model.thing, PartFile):
            return facts_of_file(model.thing, self._registry)
        return _trained(model) if model.kind == LORA and model.usable else {}

    def used(self, checkpoint: Checkpoint) -> Used:
        """The same as a picture gets it whose request names no parts: by the settings, its card, what fits."""
        current = self._settings.current
        return used(checkpoint, current.sd_vae, current.sd_text_encoders, self._catalogue)

    def edit(self, model_id: str, changes: Mapping[str, Any], who: Identity) -> Model:
        """Change a card, in A1111's file beside the model.

        Raises NotAllowed, NotFound, InvalidField, Conflict, StorageProblem.
        """
        _need_owner(who, "edit the cards of models")
        model = self._may_see(model_id, who)
        changes = dict(changes)
        for name in ("vae", "clip_skip"):
            if changes.get(name) and model.kind != CHECKPOINT:
                raise InvalidField("Only a checkpoint has a preferred VAE and clip skip.", field=name)
        if "vae" in changes:
            changes["vae"] = self._vae(changes["vae"])
        with self._writing:
            write_facts(model.path.parent, model.base, changes)
        if model.kind == CHECKPOINT:
            # What it prefers counts from the next picture on.
            self._catalogue.refresh()
        self._shelf.look_again()
        return self._shelf.get(model_id)

    def set_preview(self, model_id: str, picture: Path, who: Identity) -> Model:
        """Make a copy of this picture the model's preview; one that it replaces is kept in the bin.

        Raises NotAllowed, InvalidField, StorageProblem.
        """
        _need_owner(who, "change the previews of models")
        model = self._may_see(model_id, who)
        with self._writing:
            write_preview(model.path.parent, model.base, picture, self._places.bin)
        if model.preview:
            self._thumbnails.forget(_kept_as(model))
        self._shelf.look_again()
        return self._shelf.get(model_id)

    def thumbnail(self, model_id: str, side: int, who: Identity) -> bytes:
        """The preview as WebP, made to fit a square of `side` pixels. Raises NotFound, BadPicture."""
        model = self._may_see(model_id, who)
        if model.preview is None:
            raise NotFound("This model has no preview.")
        return self._thumbnails.get(model.preview.path, _kept_as(model), side)

    def _seen(self, who: Identity) -> list[Model]:
        return [model for model in self._shelf.all() if who.is_owner or model.usable]

    def _may_see(self, model_id: str, who: Identity) -> Model:
        model = self._shelf.get(model_id)
        if not (model.usable or who.is_owner):
            raise NotFound("There is no such model.")
        return model

    def _vae(self, name: Any) -> str:
        """The VAE of this name as A1111 calls it: by its file's name. Raises UnknownName."""
        if not isinstance(name, str) or not name or name.casefold() == AUTOMATIC.casefold():
            return "" if isinstance(name, str) else name
        if name.casefold() == NONE.casefold():
            return NONE
        vaes = self._catalogue.vaes()
        found = find_part(name, vaes)
        if found is None:
            raise UnknownName("VAE", name, [AUTOMATIC, NONE, *(file.name for file in vaes)], field="vae")
        return found.title if find_part(found.title, vaes) is found else found.name


def _trained(model: Model) -> dict[str, Any]:
    try:
        training = training_of(model.path).to_json()
    except DarkroomError:
        # What is wrong with it is told at its name.
        return {}
    return {"training": training} if training else {}


def preview_version(model: Model) -> str:
    """Another text when the preview is another; "" without one."""
    return hashlib.sha256(model.preview.stamp.encode("utf-8", "replace")).hexdigest()[:12] if model.preview else ""


def _kept_as(model: Model) -> str:
    return f"{model.id}-{preview_version(model)}"


def _shown(model: Model, who: Identity) -> Model:
    """The same with what this person may know of it."""
    if who.is_owner:
        return model
    # What is wrong with a card names files, and is for who can mend them.
    return replace(model, card=_public(model.card), hides=())


def _public(card: Card) -> Card:
    return replace(card, notes="", civitai=Civitai(), problems=())


def _need_owner(who: Identity, what: str) -> None:
    if not who.is_owner:
        raise NotAllowed(f"Only the owner of this machine may {what}.")
