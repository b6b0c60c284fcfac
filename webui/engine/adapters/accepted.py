"""The adapters that a request is accepted with: found, seen to be for its checkpoint, and hashed. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

from webui.core.errors import DarkroomError, Faults, InvalidField, ModelProblem
from webui.core.frozen import FrozenMap
from webui.core.prompt.adapters import names_in
from webui.core.request import GenerationRequest
from webui.engine.adapters.catalogue import AdapterCatalogue, AdapterFile
from webui.engine.adapters.facts import misfit
from webui.engine.checkpoints.checkpoint import Checkpoint


def accepted_hashes(
    request: GenerationRequest, stored: Mapping[str, str], checkpoint: Checkpoint, catalogue: AdapterCatalogue
) -> FrozenMap[str]:
    """The hashes of all adapters that the request's prompts name, by name; large files are read for it once.

    stored: those that a stored request was made with, for which other files under the same name are no substitute.
    A name that no adapter has is left out, as in A1111; the job says so. Raises InvalidField or ModelProblem, all in
    one, for those that cannot be used.
    """
    prompts = {request.templates[0], *(request.texts_of(index)[0] for index in range(request.pictures))}
    faults = Faults()
    found: dict[str, str] = {}
    for name in names_in(sorted(prompts), comments=request.has_comments):
        with faults.gathered():
            file = _found(name, stored.get(name, ""), catalogue)
            if file is not None:
                _check(name, file, checkpoint, catalogue)
                found[name] = catalogue.hash(file)
    faults.raise_found()
    return FrozenMap(found)


def _found(name: str, digest: str, catalogue: AdapterCatalogue) -> AdapterFile | None:
    if not digest:
        return catalogue.find(name)
    file = catalogue.with_hash(digest, name) or catalogue.find(name)
    if file is None or catalogue.hash(file) != digest:
        raise ModelProblem(
            f"The LoRA {name} that this request was made with ({digest[:12]}) cannot be found.",
            field="prompt",
            remedies=("Put the old file back", "Use what is there: leave lora_hashes out"),
        )
    return file


def _check(name: str, file: AdapterFile, checkpoint: Checkpoint, catalogue: AdapterCatalogue) -> None:
    try:
        why = misfit(catalogue.facts(file), checkpoint)
    except DarkroomError as error:
        raise InvalidField(f"The LoRA {name} cannot be used. {error.detail}", field="prompt") from error
    if why:
        raise InvalidField(
            f"The LoRA {name} cannot be used with {checkpoint.name}: {why}.",
            field="prompt",
            remedies=("Take it out of the prompt", "Choose a checkpoint that it is for"),
        )
