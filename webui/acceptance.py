"""Requests as people write them become accepted ones, and texts become values: part of the one door."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from webui import accept
from webui.core import infotext
from webui.core.errors import fields_named
from webui.core.field import Field
from webui.core.frozen import FrozenMap
from webui.core.hires_fields import OWN_TEXTS
from webui.core.infotext import Parsed
from webui.core.prompt.adapters import names_in
from webui.core.registry import Family, Registry
from webui.core.request import EMBEDDING_HASHES, HASHES, LORA_HASHES, GenerationRequest, read_hashes
from webui.core.settings import SettingsStore
from webui.engine.adapters.accepted import accepted_hashes
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.counting import Counted, count_prompt
from webui.engine.checkpoints.words import Words
from webui.engine.embeddings.accepted import accepted_embeddings
from webui.engine.embeddings.lexicon import adapters_with_some, bundled_in, lexicon
from webui.named_by_hash import named_by_hash
from webui.plugins.manager import ExtensionReport
from webui.plugins.resolve import resolve
from webui.prompts import Prompts


class Acceptance:
    """What values, texts and prompts mean with the models, settings and extensions that there are now."""

    def __init__(
        self,
        registry: Registry,
        catalogue: Catalogue,
        settings: SettingsStore,
        fields: Sequence[Field],
        prompts: Prompts,
        reports: Callable[[], Sequence[ExtensionReport]],
    ) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._settings = settings
        self._fields = fields
        self._prompts = prompts
        self._reports = reports

    def take(self, registry: Registry) -> None:
        """Extensions were switched: these are the rows from now on."""
        self._registry = registry

    def request(self, values: Mapping[str, Any], check: Callable[[GenerationRequest], None]) -> GenerationRequest:
        """The request that these values mean. Raises InvalidField, UnknownName, ModelProblem, InvalidRequest.

        check: raises for one that this person may not ask for. It is asked before texts are drawn, while a
        combinatorial request still is of one picture, and again before files are hashed.
        """
        # Of two with one name, one is loaded.
        reports = sorted(self._reports(), key=lambda report: report.ok)
        absent = {report.name: "It has no fields." if report.ok else report.problem for report in reports}
        usable = {report.name for report in reports if report.ok and report.name in self._registry.panels}
        absent = {name: why for name, why in absent.items() if name not in usable}
        parts = self._registry, self._catalogue, self._settings.current, self._fields, absent
        stored = {name: read_hashes(name, values.get(name)) for name in HASHES}
        values = {name: value for name, value in values.items() if name not in HASHES}

        def resolved(rest: Mapping[str, Any]) -> GenerationRequest:
            request = accept.resolve(rest, *parts)
            check(request.but(n_iter=1, batch_size=1) if request.combinatorial else request)
            return request

        request = self._prompts.completed(values, resolved)
        check(request)
        catalogue = self._catalogue
        hashes: dict[str, dict[str, str]] = {name: {} for name in HASHES}
        for one, model in self._told(request):
            family = self._registry.families.get(model.family)
            with fields_named(OWN_TEXTS if one is not request else {}):
                hashes[LORA_HASHES] |= accepted_hashes(one, stored[LORA_HASHES], model, catalogue.adapters)
                hashes[EMBEDDING_HASHES] |= accepted_embeddings(
                    one, stored[EMBEDDING_HASHES], model, family, catalogue.embeddings
                )
        return request.but(**{name: FrozenMap(found) for name, found in hashes.items()})

    def _told(self, request: GenerationRequest) -> Iterator[tuple[GenerationRequest, Checkpoint]]:
        """The request with the texts of each of its passes that has some of its own, and who is told them."""
        yield request, self._catalogue.find(request.checkpoint)
        second = request.with_hires_texts
        if second is not request and request.hires is not None:
            own = request.hires.hr_checkpoint_name if request.hires.hr_checkpoint_hash else request.checkpoint
            yield second, self._catalogue.find(own)

    def defaults(self, checkpoint: str) -> dict[str, Any]:
        """Values of all fields for a checkpoint; "" is the chosen one."""
        return accept.defaults(checkpoint, self._registry, self._catalogue, self._settings.current, self._fields)

    def count_tokens(self, asked: Counted, checkpoint: str) -> tuple[int, int]:
        """(tokens in the text, room in the chunks they fill)."""
        found = accept.checkpoint_for(checkpoint, self._catalogue, self._settings.current)
        family = self._registry.families.get(found.family)
        longest = next(field.maximum or 0 for field in self._fields if field.name == "prompt")
        asked = asked.cut(int(longest))
        words = self.words(found, family, asked.text, comments=asked.enable_prompt_comments)
        return count_prompt(found, family, resolve(family.count_tokens), asked, words)

    def words(self, checkpoint: Checkpoint, family: Family, prompt: str, *, comments: bool) -> Words:
        """The words that are embeddings to a checkpoint, those in the LoRAs of a prompt among them; to be counted.

        comments: whether `#` begins one in the prompt.
        """
        adapters, embeddings = self._catalogue.adapters, self._catalogue.embeddings
        loras = adapters_with_some(names_in((prompt,), comments=comments), adapters) if family.embeddings else ()
        return lexicon(checkpoint, family, embeddings, bundled_in(loras, embeddings)).words

    def parsed(self, text: str) -> Parsed:
        """The fields that a parameters text carries; names are made canonical where they are known."""
        parsed = infotext.parse(text, self._registry.panels)
        known = accept.canonical(parsed, self._registry, self._catalogue)
        return named_by_hash(self._prompts.inferred(known), self._catalogue)
