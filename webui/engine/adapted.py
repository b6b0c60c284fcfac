"""A job's texts for one model, each batch's encoded with its adapters merged, and what is merged while it is drawn."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from webui.core.prompt.adapters import asked_of
from webui.core.request import GenerationRequest
from webui.engine.adapters.catalogue import AdapterCatalogue
from webui.engine.adapters.merging import Merging
from webui.engine.adapters.prepare import Adapters, Ready
from webui.engine.adapters.weights import AdapterStore
from webui.engine.embeddings.spoken import Spoken
from webui.engine.families.base import LoadedModel, Purpose
from webui.engine.generate import Run, missing_batches
from webui.engine.lanes import Guide
from webui.engine.pipelines import Pipelines
from webui.engine.texts import Pair, Texts


@dataclass(frozen=True, slots=True)
class Adapted:
    """A worker's adapters and the text encoders that they are merged into; its own, apart from the denoisers."""

    adapters: Adapters
    merging: Merging

    @classmethod
    def of(cls, catalogue: AdapterCatalogue, pipelines: Pipelines) -> Adapted:
        """Those that lie in a worker's folders, for its models."""
        return cls(Adapters(catalogue, pipelines.atlas, AdapterStore()), Merging(pipelines.rest))

    def guide(
        self,
        texts: Texts,
        run: Run,
        request: GenerationRequest,
        model: LoadedModel,
        purpose: Purpose,
        own: Mapping[int, Pair],
        spoken: Spoken,
        *,
        lenient: bool,
    ) -> Guide:
        """The model with the texts of all pictures, and the adapters that the first picture's prompt of each batch
        names. request: what the pass is asked. See `Texts.guide` for `own`, and `Adapters.ready` for `lenient`. Raises
        ModelProblem.
        """
        size, tell = request.batch_size, spoken.tell
        numbers = [batch * size for batch in missing_batches(request, run.done)]
        firsts = {number: own.get(number, request.templates)[0] for number in numbers}
        by_prompt = {
            prompt: self.adapters.ready(prompt, request, model, tell, lenient=lenient)
            for prompt in dict.fromkeys(firsts.values())
        }
        if any(_differing(request, own, range(first, first + size)) for first in firsts):
            tell("The LoRAs that a batch's first picture asks for count for all of it; other pictures ask for others.")
        ready = {first: by_prompt[prompt] for first, prompt in firsts.items()}
        common = next(iter(ready.values()), Ready())
        alike = all(_key(one) == _key(common) for one in ready.values())
        if alike:
            return self._encoded(texts, model, purpose, own, common, spoken)
        made: dict[int, Guide] = {}
        for first, one in ready.items():
            pictures = {number: pair for number, pair in own.items() if first <= number < first + size}
            made[first] = self._encoded(texts, model, purpose, pictures, one, spoken)
        return replace(made[next(iter(ready))], batches=made)

    def _encoded(
        self, texts: Texts, model: LoadedModel, purpose: Purpose, own: Mapping[int, Pair], ready: Ready, spoken: Spoken
    ) -> Guide:
        words = partial(spoken.reading, loras=ready.bundles)
        with self.merging.texts(model.networks, ready.texts) as before:
            guide = texts.guide(model, replace(purpose, adapters=ready.texts.text_key), own, before, words)
        return replace(guide, adapters=ready.denoiser)


def _differing(request: GenerationRequest, own: Mapping[int, Pair], pictures: Iterable[int]) -> bool:
    """Whether some of these pictures' prompts ask for other adapters than others."""
    prompts = {own.get(number, request.templates)[0] for number in pictures}
    return len({asked_of(prompt, comments=request.has_comments)[0] for prompt in prompts}) > 1


def _key(ready: Ready) -> Hashable:
    return tuple((until, one.key) for until, one in ready.denoiser.entries), ready.texts.text_key, ready.bundles
