"""The parts that a request names for its checkpoint: chosen, named, hashed, and found again. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from webui.core.errors import DarkroomError, ModelProblem
from webui.core.precisions import FIELD_OF
from webui.core.request import GenerationRequest, join_names, split_names
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.completion import AUTOMATIC, NONE

_TITLES = {"vae": "VAE", "text_encoder": "text encoders"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A checkpoint put together, and what a request calls its parts.

    vae: a file's name, or None for the one inside. text_encoders: the names of all files that are not the checkpoint's
    own, as `join_names` joins them. vae_hash, text_encoders_hash: sha256 of those files, "" where there are none.
    """

    checkpoint: Checkpoint
    vae: str
    text_encoders: str
    vae_hash: str
    text_encoders_hash: str


def choose(
    checkpoint: Checkpoint,
    vae: str,
    text_encoders: str,
    catalogue: Catalogue,
    vae_hash: str = "",
    text_encoders_hash: str = "",
) -> Chosen:
    """The checkpoint with these parts, and their names and hashes; large files are read for the latter once.

    vae: a file's name, Automatic or None. vae_hash, text_encoders_hash: what a stored request was made with, or its
    first digits; other files under the same names are no substitute. Raises UnknownName, ModelProblem.
    """
    whole = _put_together(checkpoint, vae, split_names(text_encoders), catalogue).usable()
    hashes = {role: catalogue.hash_of_parts(whole, role) for role in _TITLES}
    for role, wanted in (("vae", vae_hash), ("text_encoder", text_encoders_hash)):
        if wanted and not hashes[role].startswith(wanted):
            raise ModelProblem(
                f"The {_TITLES[role]} that this request was made with ({wanted[:10]}) cannot be found under that name.",
                field="vae" if role == "vae" else "text_encoders",
                remedies=("Put the old file back", f"Use what is there: leave {role}{'s' * (role != 'vae')}_hash out"),
            )
    vaes, encoders = _names(whole, "vae"), _names(whole, "text_encoder")
    return Chosen(whole, next(iter(vaes), NONE), join_names(encoders), hashes["vae"], hashes["text_encoder"])


def with_requested(checkpoint: Checkpoint, request: GenerationRequest, catalogue: Catalogue) -> Checkpoint:
    """The checkpoint with the parts that an accepted request names, kept as it says.

    Raises UnknownName, ModelProblem.
    """
    whole = catalogue.with_parts(checkpoint, request.vae, split_names(request.text_encoders)).usable()
    for role, wanted in (("vae", request.vae_hash), ("text_encoder", request.text_encoders_hash)):
        now = catalogue.hash_of_parts(whole, role, read=False) if wanted else ""
        if now and now != wanted:
            raise ModelProblem(
                f"The {_TITLES[role]} are no longer the files that this job was accepted with."
                if role == "text_encoder"
                else "The VAE is no longer the file that this job was accepted with.",
                field="vae" if role == "vae" else "text_encoders",
                remedies=("Submit the job again",),
            )
    return kept_in(whole, {role: getattr(request, name) for role, name in FIELD_OF.items()})


def kept_in(checkpoint: Checkpoint, precisions: Mapping[str, str]) -> Checkpoint:
    """The checkpoint with its parts' weights kept in these precisions, by role."""
    words = {role: "" if precision == AUTOMATIC else precision for role, precision in precisions.items()}
    parts = {name: replace(part, kept_as=words.get(part.role, "")) for name, part in checkpoint.parts.items()}
    return replace(checkpoint, parts=parts)


def does_fit(checkpoint: Checkpoint, vae: str, text_encoders: str, catalogue: Catalogue) -> bool:
    """Whether there are such files, and the checkpoint can be put together with them."""
    try:
        catalogue.with_parts(checkpoint, vae, split_names(text_encoders))
    except DarkroomError:
        return False
    return True


def is_automatic(vae: str) -> bool:
    """Whether a request leaves the VAE to the program."""
    return vae.casefold() in ("", AUTOMATIC.casefold())


def _put_together(checkpoint: Checkpoint, vae: str, text_encoders: list[str], catalogue: Catalogue) -> Checkpoint:
    # What its makers, or the person, say of it in files beside it counts before what fits.
    said = checkpoint.defaults.get("vae") or checkpoint.card.get("vae")
    if is_automatic(vae) and isinstance(said, str):
        try:
            return catalogue.with_parts(checkpoint, said, text_encoders)
        except DarkroomError:
            pass
    return catalogue.with_parts(checkpoint, vae or AUTOMATIC, text_encoders)


def _names(checkpoint: Checkpoint, role: str) -> list[str]:
    parts = checkpoint.parts
    return list(dict.fromkeys(file for name, file in checkpoint.completed.items() if parts[name].role == role))
