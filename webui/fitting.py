"""Whether a model that prompts name is for a checkpoint, told before a job runs: part of the one door."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from webui.core.errors import DarkroomError
from webui.core.registry import Registry
from webui.engine.adapters.catalogue import AdapterFile
from webui.engine.adapters.facts import misfit
from webui.engine.cards.shelf import Model
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.scan import Seen
from webui.engine.embeddings.lexicon import encoders_of


class Fitting:
    """Looks at files' headers alone, and what they say is remembered."""

    def __init__(self, catalogue: Catalogue, registry: Callable[[], Registry]) -> None:
        self._catalogue, self._registry = catalogue, registry

    def unfit_ones(self, models: Iterable[Model], title: str) -> dict[str, str]:
        """Why those of the models that the checkpoint cannot use are not for it, a sentence each, by id.

        title: the checkpoint's, or its name or hash; none for "" and for one that is not there.
        """
        try:
            checkpoint = self._catalogue.find(title) if title else None
        except DarkroomError:
            checkpoint = None
        if checkpoint is None:
            return {}
        return {model.id: why for model in models if (why := self._unfit(model, checkpoint))}

    def _unfit(self, model: Model, checkpoint: Checkpoint) -> str:
        if not isinstance(model.thing, Seen) or not model.usable:
            return ""
        ask = {"lora": self._lora, "embedding": self._embedding}.get(model.kind)
        why = ask(model.thing, checkpoint) if ask else None
        return f"Not for {checkpoint.name}: {why}." if why else ""

    def _embedding(self, seen: Seen, checkpoint: Checkpoint) -> str | None:
        families = self._registry().families
        family = families.get(checkpoint.family) if checkpoint.family in families else None
        encoders = encoders_of(checkpoint, family) if family else ()
        if not encoders:
            return "it takes no embeddings"
        found = next((one for one in self._catalogue.embeddings.all() if one.path == seen.path), None)
        return f"it is for {found.title}" if found and found.facts and not found.fits(encoders) else None

    def _lora(self, seen: Seen, checkpoint: Checkpoint) -> str | None:
        adapters = self._catalogue.adapters
        try:
            facts = adapters.facts(AdapterFile(seen.name.removesuffix(seen.path.suffix), seen.path, seen.stamp))
        except (DarkroomError, OSError):
            # What is wrong with the file itself is the card's to say.
            return None
        return misfit(facts, checkpoint)
