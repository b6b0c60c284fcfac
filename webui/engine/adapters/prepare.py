"""A job's adapters made ready: found again by what it was accepted with, read, and fitted to its models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from webui.core.errors import ModelProblem
from webui.core.prompt.adapters import Asked, asked_of
from webui.core.request import GenerationRequest
from webui.engine.adapters.catalogue import AdapterCatalogue, AdapterFile
from webui.engine.adapters.fitting import PLAIN, AdapterSet, Networks, Placed, Wanted, fit
from webui.engine.adapters.places import Atlas
from webui.engine.adapters.timeline import MOST_BORDERS, WITHOUT, AdapterTimeline, borders, bounded
from webui.engine.adapters.weights import AdapterStore, AdapterWeights, BrokenWeights

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ready:
    """The adapters of some pictures over one model. texts: what its texts are encoded with, whatever the step. bundles:
    the files of those in which embeddings lie."""

    denoiser: AdapterTimeline = WITHOUT
    texts: AdapterSet = PLAIN
    bundles: tuple[AdapterFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapters:
    """What a worker has for the adapters of its jobs; safe to use from several threads."""

    catalogue: AdapterCatalogue
    atlas: Atlas
    store: AdapterStore

    def ready(
        self, prompt: str, request: GenerationRequest, model: Networks, tell: Tell, *, lenient: bool = False
    ) -> Ready:
        """What one of a request's prompts asks for, over a model.

        tell: hears what is left out. lenient: whether adapters that are for another kind of model are left out too.
        Raises ModelProblem for a file that cannot be used, or is none of what the job was accepted with.
        """
        asked, notes = asked_of(prompt, comments=request.has_comments)
        hashes = request.lora_hashes
        for note in notes:
            tell(note)
        found = [(one, file) for one in asked if (file := self._file(one.name, hashes.get(one.name, ""), tell))]
        wanted: list[tuple[Asked, Wanted]] = []
        bundles: list[AdapterFile] = []
        placed: dict[str, Placed] = {}
        for one, file in found:
            adapter = self._weights(file)
            want = Wanted(adapter, one.unet, one.te, one.ranks)
            try:
                _, notes_ = fit(model, [want], self.atlas, placed)
            except ModelProblem as problem:
                if not lenient:
                    raise
                tell(f"{problem.detail} It is left out there.")
                continue
            for note in notes_:
                tell(note)
            wanted.append((one, want))
            if self.catalogue.facts(file).bundled:
                bundles.append(file)
        return replace(self._over_time(model, wanted, placed, tell), bundles=tuple(dict.fromkeys(bundles)))

    def _weights(self, file: AdapterFile) -> AdapterWeights:
        try:
            return self.store.get(file.path, self.catalogue.hash(file), file.title)
        except BrokenWeights as problem:
            # Only reading it tells; who writes a prompt hears of it from now on.
            self.catalogue.keep_broken(file, problem.detail)
            raise

    def _over_time(
        self, model: Networks, wanted: list[tuple[Asked, Wanted]], placed: dict[str, Placed], tell: Tell
    ) -> Ready:
        if not wanted:
            return Ready()
        texts = replace(fit(model, [want for _, want in wanted], self.atlas, placed)[0], denoiser=None)
        spans, left = bounded([(one.start, one.stop) for one, _ in wanted])
        if left:
            tell(
                f"LoRAs may come and go at {MOST_BORDERS} steps; {left} more of them count from the first to the last."
            )
        entries = []
        before = 0.0
        for until in borders(spans):
            now = [want for (start, stop), (_, want) in zip(spans, wanted, strict=True) if start <= before < stop]
            entries.append((until, fit(model, now, self.atlas, placed)[0]))
            before = until
        return Ready(AdapterTimeline(tuple(entries)), texts)

    def _file(self, name: str, digest: str, tell: Tell) -> AdapterFile | None:
        file = self.catalogue.with_hash(digest, name) if digest else None
        file = file or self.catalogue.find(name)
        if digest and (file is None or self.catalogue.hash(file) != digest):
            # The other process may have found it since this one looked.
            self.catalogue.refresh()
            file = self.catalogue.with_hash(digest, name) or self.catalogue.find(name)
            if file is None or self.catalogue.hash(file) != digest:
                raise ModelProblem(
                    f"The LoRA {name} is no longer the file that this job was accepted with.",
                    field="prompt",
                    remedies=("Submit the job again", "Put the file back"),
                )
        if file is None:
            tell(unknown(name, self.catalogue))
        return file


def unknown(name: str, catalogue: AdapterCatalogue) -> str:
    """The sentence about a name that is no adapter's."""
    like = catalogue.like(name)
    meant = f" Did you mean '{like}'?" if like else ""
    return f"There is no LoRA '{name[:60]}', so it is left out.{meant}"
