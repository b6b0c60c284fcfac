"""The embeddings that mean something to one checkpoint: which of them its prompts name, and why others mean nothing.

Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from webui.core.errors import DarkroomError
from webui.core.prompt.wording import Rules, read_negative, read_prompt
from webui.core.registry import Family
from webui.core.request import GenerationRequest
from webui.engine.adapters.catalogue import AdapterCatalogue, AdapterFile
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.tokens import Reading, chunker_of, clip_chunker
from webui.engine.checkpoints.words import NO_WORDS, Learned, Words
from webui.engine.embeddings.catalogue import Bundled, EmbeddingCatalogue, Encoders, bundled_word


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of one checkpoint. words: those that mean vectors to it, without these; others: of files that it cannot
    use, which are read as they are spelled. bundled: those of `words` that lie in LoRAs, by name. encoders, part: those
    that take embeddings, and the first of them; none where the checkpoint's family takes none."""

    checkpoint: Checkpoint
    encoders: Encoders = ()
    part: str = ""
    words: Words = NO_WORDS
    others: Words = NO_WORDS
    bundled: tuple[Bundled, ...] = ()

    def used(self, texts: Iterable[str], reading: Reading) -> tuple[Learned, ...]:
        """The words that these texts name, as they are encoded."""
        return self._found(self.words, texts, reading)

    def unusable(self, texts: Iterable[str], reading: Reading) -> tuple[Learned, ...]:
        """Those that they name of files that cannot be used."""
        return self._found(self.others, texts, reading)

    def _found(self, words: Words, texts: Iterable[str], reading: Reading) -> tuple[Learned, ...]:
        if not words:
            return ()
        tokenizer = self.part.replace("text_encoder", "tokenizer")
        # Where no encoder is told of them, it is only to be seen whether a text names them.
        chunker = chunker_of(self.checkpoint, tokenizer) if self.encoders else clip_chunker()
        own = replace(reading, words=words)
        chunks = (chunk for text in texts for chunk in chunker.chunks(text, own))
        return tuple(dict.fromkeys(learned for chunk in chunks for _, learned in chunk.learned))


def lexicon(
    checkpoint: Checkpoint, family: Family, embeddings: EmbeddingCatalogue, bundled: Sequence[Bundled] = ()
) -> Lexicon:
    """The words of a checkpoint. bundled: those in the LoRAs of a prompt; one in a file of its own counts first."""
    encoders = encoders_of(checkpoint, family)
    words, others = embeddings.words(encoders)
    if not encoders:
        return Lexicon(checkpoint, others=others)
    names = {one.name.casefold() for one in words.learned}
    own = tuple(one for one in bundled if one.name.casefold() not in names)
    more = [word for one in own if (word := bundled_word(one, encoders))]
    if more:
        words = Words((*words.learned, *more))
    return Lexicon(checkpoint, encoders, family.embeddings[0][0], words, others, own)


def encoders_of(checkpoint: Checkpoint, family: Family) -> Encoders:
    """The text encoders of a checkpoint that take embeddings; none where a part is missing."""
    parts = [(checkpoint.parts.get(part), name) for part, name in family.embeddings]
    if not all(part is not None for part, _ in parts):
        return ()
    return tuple((name, int(part.form.facts["width"])) for part, name in parts if part is not None)


def bundled_in(files: Iterable[AdapterFile], embeddings: EmbeddingCatalogue) -> tuple[Bundled, ...]:
    """The embeddings that lie in these LoRAs."""
    return tuple(one for file in files for one in embeddings.bundled(file.path, file.stamp, file.title))


def adapters_with_some(names: Iterable[str], adapters: AdapterCatalogue) -> Iterator[AdapterFile]:
    """Those LoRAs of these names in which embeddings lie."""
    for name in names:
        file = adapters.find(name)
        try:
            if file is not None and adapters.facts(file).bundled:
                yield file
        except DarkroomError:
            # What is wrong with it is said where it is used.
            continue


def texts_of(request: GenerationRequest, pairs: Iterable[tuple[str, str]], *, emphasis: bool) -> tuple[str, ...]:
    """All that pairs of prompt and negative prompt ever say, as it is encoded. emphasis: see `Family`."""
    rules = Rules(request.steps, comments=request.has_comments, old=request.use_old_scheduling)
    wordings = (
        wording
        for prompt, negative in dict.fromkeys(pairs)
        for wording in (read_prompt(prompt, rules), read_negative(negative, rules))
    )
    told = (one if emphasis else one.without_emphasis(request.emphasis) for one in wordings)
    return tuple(dict.fromkeys(text for wording in told for text in wording.texts))
