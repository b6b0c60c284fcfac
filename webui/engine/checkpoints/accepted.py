"""Find the checkpoint that a request was accepted with, and its parts. Torch-free."""

from __future__ import annotations

from contextlib import suppress

from webui.core.errors import DarkroomError, ModelProblem, UnknownName
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.chosen import with_requested


def find_accepted(catalogue: Catalogue, request: GenerationRequest) -> Checkpoint:
    """The checkpoint of the request's title, and of its hash where it has one, put together of the parts it names.

    Raises UnknownName, ModelProblem.
    """
    # A file may have come, or been repaired, since this process looked, and the other one knows it already. If not,
    # as where the table cannot be written, the files are looked into here.
    for look_again in (catalogue.take_up, catalogue.refresh):
        try:
            return with_requested(_of_title(catalogue, request), request, catalogue)
        except DarkroomError:
            look_again()
    return with_requested(_of_title(catalogue, request), request, catalogue)


def _of_title(catalogue: Catalogue, request: GenerationRequest) -> Checkpoint:
    checkpoint = named = _find(catalogue, request.checkpoint)
    wanted = request.checkpoint_hash
    if not wanted or catalogue.hash_now(named) == wanted:
        return named
    catalogue.take_up()
    # The same weights may have another name by now.
    with suppress(UnknownName):
        checkpoint = _find(catalogue, wanted)
    if catalogue.hash_now(checkpoint) == wanted:
        return checkpoint
    raise ModelProblem(
        f"{named.name} is no longer the file that this job was accepted with.",
        field="checkpoint",
        remedies=("Submit the job again",),
    )


def _find(catalogue: Catalogue, title: str) -> Checkpoint:
    """The same as `Catalogue.get`, but what lacks a part is given too: the request may name the part."""
    found = catalogue.as_now(catalogue.find(title))
    return found if found.missing else found.usable()
