"""The embeddings in a job's prompts: found again by what the job was accepted with, and read with their vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from webui.core.errors import ModelProblem
from webui.core.registry import Family
from webui.core.request import GenerationRequest
from webui.engine.adapters.catalogue import AdapterFile
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.tokens import Reading
from webui.engine.checkpoints.words import Learned, Words
from webui.engine.embeddings.catalogue import Embedding, EmbeddingCatalogue, bundled_word
from webui.engine.embeddings.lexicon import Lexicon, bundled_in, lexicon

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one job may name, for one of its models. tell: hears what means nothing to the model."""

    catalogue: EmbeddingCatalogue
    request: GenerationRequest
    checkpoint: Checkpoint
    family: Family
    tell: Tell

    def reading(self, plain: Reading, texts: Sequence[str], loras: Sequence[AdapterFile]) -> Reading:
        """The same reading with the embeddings that these texts name. loras: those in which some may lie.

        Raises ModelProblem for one that is no longer what the job was accepted with.
        """
        known = lexicon(self.checkpoint, self.family, self.catalogue, bundled_in(loras, self.catalogue))
        if not known.encoders:
            self._say(known, texts, plain)
            return plain
        pinned = {one.learned.key: (name, one) for name, one in self._pinned(known)}
        first = (replace(one.learned, name=name) for name, one in pinned.values())
        known = replace(known, words=Words((*first, *known.words.learned)))
        loaded = [self._loaded(one, known, pinned) for one in known.used(texts, plain)]
        self._say(known, texts, plain)
        return replace(plain, words=Words(loaded))

    def _pinned(self, known: Lexicon) -> Iterator[tuple[str, Embedding]]:
        """What the job was accepted with, by the names that the prompts have for it."""
        for name, digest in self.request.embedding_hashes.items():
            found = self.catalogue.find(name, digest)
            if found is None:
                # The other process may have found it since this one looked.
                self.catalogue.refresh()
                found = self.catalogue.find(name, digest)
            if found is None:
                raise ModelProblem(
                    f"The embedding {name} is no longer the file that this job was accepted with.",
                    field="prompt",
                    remedies=("Submit the job again", "Put the file back"),
                )
            if found.fits(known.encoders):
                yield name, found

    def _loaded(self, word: Learned, known: Lexicon, pinned: dict[str, tuple[str, Embedding]]) -> Learned:
        lying = next((one for one in known.bundled if one.key == word.key), None)
        if lying is not None:
            self.tell(f"In the prompt '{lying.name}' is an embedding of the LoRA {lying.lora}.")
            return bundled_word(lying, known.encoders) or word
        found = pinned[word.key][1] if word.key in pinned else self.catalogue.find(word.name, word.key)
        if found is None:
            raise ModelProblem(
                f"The embedding {word.name} is gone.", field="prompt", remedies=("Submit the job again",)
            )
        return replace(self.catalogue.loaded(found, known.encoders), name=word.name)

    def _say(self, known: Lexicon, texts: Sequence[str], plain: Reading) -> None:
        for word in known.unusable(texts, plain):
            found = self.catalogue.find(word.name)
            if found is not None:
                self.tell(unusable(found))


def unusable(embedding: Embedding) -> str:
    """The sentence about an embedding that a prompt names and its model cannot use."""
    if embedding.problem:
        return f"The embedding {embedding.name} cannot be used, so its name is read as words. {embedding.problem}"
    return f"The embedding {embedding.name} is for {embedding.title}, so its name is read as words."
