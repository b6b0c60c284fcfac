"""The embeddings that a request is accepted with: named by its prompts, for its checkpoint, and hashed. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

from webui.core.errors import Faults, ModelProblem
from webui.core.frozen import FrozenMap
from webui.core.prompt.learned import written_in
from webui.core.registry import Family
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.tokens import Reading
from webui.engine.embeddings.catalogue import EmbeddingCatalogue
from webui.engine.embeddings.lexicon import lexicon, texts_of


def accepted_embeddings(
    request: GenerationRequest,
    stored: Mapping[str, str],
    checkpoint: Checkpoint,
    family: Family,
    catalogue: EmbeddingCatalogue,
) -> FrozenMap[str]:
    """The hashes (sha256 of the file) of all embeddings that the request's prompts name, by name.

    stored: those that a stored request was made with, for which other files under the same name are no substitute.
    What is for another kind of model is left out, as in A1111, and the job says so. Raises ModelProblem, or several in
    one, for stored ones that are not there.
    """
    known = lexicon(checkpoint, family, catalogue)
    if not known.encoders or not (known.words or stored):
        return FrozenMap()
    pairs = [request.texts_of(index) for index in range(request.pictures)]
    texts = texts_of(request, pairs, emphasis=family.emphasis)
    reading = Reading(request.emphasis, request.comma_padding_backtrack)
    used = {one.name: one.key for one in known.used(texts, reading)}
    faults = Faults()
    for name, digest in stored.items():
        with faults.gathered():
            if used.get(name) == digest or not (name in used or any(written_in(name, text) for text in texts)):
                continue
            found = catalogue.find(name, digest)
            if found is None:
                raise ModelProblem(
                    f"The embedding {name} that this request was made with ({digest[:12]}) cannot be found.",
                    field="prompt",
                    remedies=("Put the old file back", "Use what is there: leave embedding_hashes out"),
                )
            if found.fits(known.encoders):
                used[name] = digest
    faults.raise_found()
    return FrozenMap(used)
