"""The texts of a job's pictures as its models understand them, with what extensions write in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from webui.core.fields import FIELDS
from webui.core.prompt.wording import Wording
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.tokens import Reading
from webui.engine.conditioning import Composition, Conditioner, Timeline
from webui.engine.families.base import Conditioning, LoadedModel, Purpose
from webui.engine.lanes import Guide
from webui.engine.wordings import Wordings
from webui.plugins.calls import Bound
from webui.plugins.manager import Plugins

Words = Callable[[Reading, Sequence[str]], Reading]
"""How texts are read with the embeddings that they name."""

Pair = tuple[str, str]
"""A prompt and a negative prompt."""


def rewritten(plugins: Plugins | None, request: GenerationRequest, pictures: Iterable[int]) -> dict[int, Pair]:
    """The texts of those pictures, by number, if any has others than the request's templates: drawn from these, and
    perhaps written anew by extensions; else none. plugins: None where extensions are not heard. Raises
    ExtensionProblem.
    """
    bounds = plugins.bound("transform_prompt", request) if plugins else ()
    if not bounds and not request.drawn:
        return {}
    found = {index: _written(bounds, request.texts_of(index), index, request.seed_of(index)) for index in pictures}
    return found if any(texts != request.templates for texts in found.values()) else {}


def _written(bounds: Sequence[Bound], texts: Pair, index: int, seed: int) -> Pair:
    for bound in bounds:
        answer = bound({"prompt": texts[0], "negative_prompt": texts[1], "index": index, "seed": seed})
        if answer is not None:
            texts = _checked(bound, answer)
    return texts


def _checked(bound: Bound, answer: Any) -> Pair:
    if not (isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(text, str) for text in answer)):
        raise bound.refuse("it must return (prompt, negative prompt), or None.")
    longest = int(FIELDS["prompt"].maximum or 0)
    if any(len(text) > longest for text in answer):
        raise bound.refuse(f"it returned a prompt of more than {longest:,} characters.")
    return answer


class Texts:
    """Encodes for one model what a job's pictures are to show."""

    def __init__(
        self,
        conditioner: Conditioner,
        plugins: Plugins,
        request: GenerationRequest,
        wordings: Wordings,
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """wordings: reads the prompts for this model. given_up: whether nobody waits for the texts any more."""
        self._conditioner = conditioner
        self._wordings = wordings
        self._request = request
        self._given_up = given_up
        self._bounds = plugins.bound("transform_conditioning", request)
        self._changed: dict[tuple[int, bool], tuple[Conditioning, Conditioning]] = {}
        """By the plain one's identity, each with the plain one, so that it stays."""

    def guide(
        self,
        model: LoadedModel,
        purpose: Purpose,
        own: Mapping[int, Pair],
        before: Callable[[], None] = lambda: None,
        words: Words = lambda reading, _: reading,
    ) -> Guide:
        """The model with the texts of all pictures. own: theirs, by number; none where each is the request's templates.

        before: called before a text is encoded, perhaps several times. Raises InvalidField, Abandoned, and what `words`
        does.
        """
        request = self._request
        # A template that no picture shows is not read: it may ask for guidance, and for notes, that nobody needs.
        pairs = list(dict.fromkeys(own.values())) or [request.templates]
        read = [(self._wordings.prompt(prompt), self._wordings.negative(negative)) for prompt, negative in pairs]
        # At a scale of 1 one text says all, but several lead away from the negative prompt.
        composed = any(len(prompt.parts) > 1 for prompt, _ in read)
        guided = request.cfg_scale != 1 or (composed and request.knows("negative_prompt"))
        texts = list(dict.fromkeys(text for pair in read for wording in pair for text in wording.texts))
        purpose = replace(purpose, reading=words(purpose.reading, texts))
        made = [self._pair(model, pair, guided, purpose, before) for pair in read]
        by_pair = dict(zip(pairs, made, strict=True))
        return Guide(model, *made[0], {number: by_pair[pair] for number, pair in own.items()})

    def _pair(
        self,
        model: LoadedModel,
        pair: tuple[Wording, Wording],
        guided: bool,
        purpose: Purpose,
        before: Callable[[], None],
    ) -> tuple[Composition, Timeline | None]:
        prompt, negative = pair
        wanted = negative if guided else None
        made, negative_line = self._conditioner.encode(model, prompt, wanted, purpose, before, self._given_up)
        changed = Composition(tuple((self._line(line, negative=False), weight) for line, weight in made.parts))
        return changed, negative_line and self._line(negative_line, negative=True)

    def _line(self, line: Timeline, *, negative: bool) -> Timeline:
        if not self._bounds:
            return line
        return Timeline(tuple((until, self._one(conditioning, negative)) for until, conditioning in line.entries))

    def _one(self, plain: Conditioning, negative: bool) -> Conditioning:
        # Equal conditionings are one object to a loop that stacks them, so each is changed once.
        key = id(plain), negative
        if key not in self._changed:
            new = plain
            for bound in self._bounds:
                answer = bound({"conditioning": new, "negative": negative})
                if answer is not None and not isinstance(answer, type(plain)):
                    raise bound.refuse(f"it returned {type(answer).__name__} in place of {type(plain).__name__}.")
                new = new if answer is None else answer
            self._changed[key] = plain, new
        return self._changed[key][1]
