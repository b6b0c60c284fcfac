"""What a person is shown of a prompt before it runs: as it will run, its tokens, changes and extra networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webui import accept
from webui.core.errors import DarkroomError
from webui.core.prompt.adapters import TYPES, asked_of, left_in_negative, names_in, unknown_types
from webui.core.prompt.comments import without_comments
from webui.core.prompt.emphasis import NONE, ORIGINAL, escaped
from webui.core.prompt.networks import Network, take_networks
from webui.core.prompt.schedule import Entry
from webui.core.prompt.wording import Wording
from webui.core.registry import Family, Registry
from webui.core.request import GenerationRequest
from webui.core.settings import SettingsStore
from webui.engine.adapters.facts import misfit
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.counting import counting
from webui.engine.checkpoints.encoders import ChunkRead, EncoderRead
from webui.engine.checkpoints.tokens import Reading
from webui.engine.embeddings.lexicon import Lexicon, adapters_with_some, bundled_in, lexicon
from webui.engine.embeddings.spoken import unusable
from webui.engine.wordings import Wordings, calls_of
from webui.plugins.resolve import resolve
from webui.prompts import Prompts

# A page asks at every pause in typing: of a prompt that changes only its longest texts are counted, and of the changes
# so many are told.
_MOST_CHARACTERS, _MOST_CHANGES, _MOST_NETWORKS = 60_000, 60, 100
_SHOWN = 400

EMBEDDING = "embedding"
"""The type of a network that is a word of the prompt."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A text that the prompt is for a share of the steps: until `until`, 0 to 1; its beginning.

    differs: of it the words that not all of the prompt's texts begin or end with.
    """

    until: float
    text: str
    differs: str


@dataclass(frozen=True, slots=True)
class SubPromptSeen:
    """One of the texts between AND, with its weight, over the steps."""

    weight: float
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class NetworkSeen:
    """`<type:name:…>` in a prompt, or an embedding. written: as it stands there.

    file: what it names, "" where nothing does. problem: why it cannot be used, a sentence, "" where it can. like: the
    name that is most like one not found. note: what of it is used otherwise than written, sentences, else "".
    """

    written: str
    type: str
    name: str
    file: str = ""
    problem: str = ""
    like: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class TextSeen:
    """A prompt as its first picture has it. tokens, limit: taken places and all of them, of the text that it ever is
    that takes most; encoders: what those are told of that text. parts: more than one where there is an AND.

    longest_part: in which of the parts that text stands, from 1; longest_words: its own words there. 0 and "" where the
    prompt is a single text all the time, and where nothing is counted.
    """

    text: str
    tokens: int = 0
    limit: int = 0
    encoders: tuple[EncoderRead, ...] = ()
    parts: tuple[SubPromptSeen, ...] = ()
    longest_part: int = 0
    longest_words: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """Both prompts, the extra networks of the first, and sentences on what is done otherwise than it was typed."""

    prompt: TextSeen
    negative_prompt: TextSeen
    networks: tuple[NetworkSeen, ...]
    pictures: int
    notes: tuple[str, ...]


def differing(texts: Sequence[str]) -> list[str]:
    """The texts without the words that all of them begin and end with; of one text nothing is taken."""
    words = {text: text.split() for text in dict.fromkeys(texts)}
    start = end = 0
    if len(words) > 1:
        shortest = min(map(len, words.values()))
        while start < shortest and len({one[start] for one in words.values()}) == 1:
            start += 1
        while end < shortest - start and len({one[-1 - end] for one in words.values()}) == 1:
            end += 1
    return [" ".join(words[text][start : len(words[text]) - end]) for text in texts]


class Previews:
    """Reads prompts without making anything."""

    def __init__(
        self, registry: Callable[[], Registry], catalogue: Catalogue, settings: SettingsStore, prompts: Prompts
    ) -> None:
        self._registry, self._catalogue, self._settings, self._prompts = registry, catalogue, settings, prompts

    def of(self, values: Mapping[str, Any]) -> Preview:
        """Raises InvalidField and UnknownName. values: those fields of a request that its texts depend on.

        Without a checkpoint that works nothing is counted.
        """
        request = self._prompts.previewed({**values, "checkpoint": ""}, 1)
        checkpoint = self._checkpoint(str(values.get("checkpoint", "")))
        family = self._registry().families.get(checkpoint.family) if checkpoint else None
        calls = calls_of(request.steps, self._order(request.sampler_name))
        wordings = Wordings(request, calls, emphasis=family is None or family.emphasis)
        text, negative = request.texts_of(0)
        known = self._lexicon(text, request, checkpoint, family)
        read = _Reader(request, checkpoint, family, calls, known)
        told = wordings.prompt(text), wordings.negative(negative)
        networks = self._networks(text, request, checkpoint)
        if known is not None:
            networks += self._embeddings(known, [one for wording in told for one in wording.texts], read.reading)
        comments = request.has_comments
        unread = asked_of(text, comments=comments)[1]
        # Other types than LoRAs are told as networks.
        others = unknown_types(text, comments=comments)
        told_of = (note for note in unread if note not in others)
        notes = (*request.notes, *wordings.notes, *told_of, *left_in_negative((negative,), comments=comments))
        return Preview(read.text(text, told[0]), read.text(negative, told[1]), networks, request.pictures, notes)

    def _lexicon(
        self, text: str, request: GenerationRequest, checkpoint: Checkpoint | None, family: Family | None
    ) -> Lexicon | None:
        """The embeddings that mean something to the checkpoint, those in the prompt's LoRAs among them."""
        if checkpoint is None or family is None or not family.embeddings:
            return None
        names = names_in((text,), comments=request.has_comments)
        embeddings = self._catalogue.embeddings
        loras = adapters_with_some(names, self._catalogue.adapters)
        return lexicon(checkpoint, family, embeddings, bundled_in(loras, embeddings))

    def _embeddings(self, known: Lexicon, texts: Sequence[str], reading: Reading) -> tuple[NetworkSeen, ...]:
        used = known.used(texts, reading)
        found = [NetworkSeen(one.name, EMBEDDING, one.name, one.name) for one in used]
        for one in known.unusable(texts, reading):
            file = self._catalogue.embeddings.find(one.name)
            if file is not None:
                found.append(NetworkSeen(one.name, EMBEDDING, one.name, one.name, unusable(file)))
        return tuple(found[:_MOST_NETWORKS])

    def _checkpoint(self, title: str) -> Checkpoint | None:
        try:
            return accept.checkpoint_for(title, self._catalogue, self._settings.current)
        except DarkroomError:
            return None

    def _order(self, sampler: str) -> int:
        samplers = self._registry().samplers
        return samplers.get(sampler).order if sampler in samplers else 1

    def _networks(
        self, text: str, request: GenerationRequest, checkpoint: Checkpoint | None
    ) -> tuple[NetworkSeen, ...]:
        found = take_networks(without_comments(text) if request.has_comments else text)[1]
        return tuple(self._network(one, checkpoint) for one in dict.fromkeys(found[:_MOST_NETWORKS]))

    def _network(self, network: Network, checkpoint: Checkpoint | None) -> NetworkSeen:
        written, name = str(network)[:_SHOWN], network.name.strip()[:_SHOWN]
        if network.type.casefold() not in TYPES:
            return NetworkSeen(written, network.type, name, problem="Left out: only <lora:…> and <lyco:…> are known.")
        adapters = self._catalogue.adapters
        file = adapters.find(name)
        if file is None:
            return NetworkSeen(written, network.type, name, problem="Not found.", like=adapters.like(name) or "")
        try:
            why = misfit(adapters.facts(file), checkpoint) if checkpoint else None
        except DarkroomError as error:
            return NetworkSeen(written, network.type, name, file.name, error.detail)
        problem = f"Cannot be used with {checkpoint.name}: {why}." if why and checkpoint else adapters.broken(file)
        note = " ".join(asked_of(str(network), comments=False)[1])
        return NetworkSeen(written, network.type, name, file.name, problem, note=note)


@dataclass(frozen=True, slots=True)
class _Reader:
    """How one request's texts are counted and told."""

    request: GenerationRequest
    checkpoint: Checkpoint | None
    family: Family | None
    calls: int
    known: Lexicon | None

    @property
    def reading(self) -> Reading:
        plain = Reading(self.request.emphasis or ORIGINAL, self.request.comma_padding_backtrack)
        return plain if self.known is None else replace(plain, words=self.known.words)

    def text(self, text: str, wording: Wording) -> TextSeen:
        parts = tuple(SubPromptSeen(part.weight, self._stretches(part.entries)) for part in wording.parts)
        if self.checkpoint is None or self.family is None:
            return TextSeen(text, parts=parts)
        counted, left = [], _MOST_CHARACTERS
        for one in sorted(wording.texts, key=len, reverse=True):
            counted.append((*self._counted(one), one))
            left -= len(one)
            if left < 0:
                break
        (tokens, limit), encoders, longest = max(counted, key=lambda one: one[0])
        return TextSeen(text, tokens, limit, encoders, parts, *_place(longest, wording))

    def _stretches(self, entries: Sequence[Entry]) -> tuple[Stretch, ...]:
        own = differing([entry.text for entry in entries])
        told = zip(entries[:_MOST_CHANGES], own, strict=False)
        return tuple(Stretch(one.until / self.calls, one.text.strip()[:_SHOWN], words[:_SHOWN]) for one, words in told)

    def _counted(self, text: str) -> tuple[tuple[int, int], tuple[EncoderRead, ...]]:
        assert self.checkpoint is not None and self.family is not None
        literal = self.family.emphasis and self.request.emphasis == NONE
        tokens: tuple[int, int] = counting(self.family, resolve(self.family.count_tokens), self.reading.words)(
            self.checkpoint, escaped(text) if literal else text
        )
        if not self.family.read_tokens:
            return tokens, (
                EncoderRead(self.family.title, (ChunkRead(min(tokens), tokens[1]),), max(0, tokens[0] - tokens[1])),
            )
        encoders: tuple[EncoderRead, ...] = resolve(self.family.read_tokens)(self.checkpoint, text, self.reading)
        return tokens, encoders


def _place(text: str, wording: Wording) -> tuple[int, str]:
    """(the part that a text stands in, from 1; its words that the others there lack); of a single text (0, "")."""
    if len(wording.texts) < 2:
        return 0, ""
    for number, part in enumerate(wording.parts, 1):
        texts = [entry.text for entry in part.entries]
        if text in texts:
            return number, (differing(texts)[texts.index(text)] or text.strip())[:_SHOWN]
    return 0, ""
