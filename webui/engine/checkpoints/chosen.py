"""The parts that a request names for its checkpoint: chosen, named, hashed, and found again. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from webui.core.errors import DarkroomError, ModelProblem, UnknownName
from webui.core.precisions import FIELD_OF
from webui.core.request import GenerationRequest, join_names, split_names
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.completion import AUTOMATIC, NONE, is_neighbour

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
    names = split_names(text_encoders)
    checkpoint = catalogue.as_now(checkpoint, (vae, _preferred(checkpoint)[0], *names))
    whole = _put_together(checkpoint, vae, names, catalogue).usable()
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
    names = split_names(request.text_encoders)
    checkpoint = catalogue.as_now(checkpoint, (request.vae, *names))
    whole = catalogue.with_parts(checkpoint, request.vae, names).usable()
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


def of_settings(checkpoint: Checkpoint, vae: str, text_encoders: str, catalogue: Catalogue) -> dict[str, str]:
    """What the settings' parts come to for this checkpoint, by the request's fields: those that are there and fit.

    They are of one family; for the others the program chooses, as where they say nothing.
    """
    given = {
        "vae": "" if is_automatic(vae) else vae,
        "text_encoders": "" if is_automatic(text_encoders) else text_encoders,
    }
    alone = {"vae": AUTOMATIC, "text_encoders": ""}
    return {
        name: value
        for name, value in given.items()
        if value and does_fit(checkpoint, **{**alone, name: value}, catalogue=catalogue)
    }


@dataclass(frozen=True, slots=True)
class Used:
    """A checkpoint as a picture gets it whose request names no parts.

    by: the rule that chose each part, by the family's names: "setting"; "sidecar" and "card", the files beside it that
    prefer a VAE; "neighbour", a VAE that lies beside it under its name; "inside"; "fit", the best of what fits. unused:
    a sentence where the preferred VAE is not used.
    """

    checkpoint: Checkpoint
    by: Mapping[str, str]
    unused: str = ""


def used(checkpoint: Checkpoint, sd_vae: str, sd_text_encoders: str, catalogue: Catalogue) -> Used:
    """What it is loaded from where a request leaves that to the program, with these settings."""
    if checkpoint.problem:
        return Used(checkpoint, _rules(checkpoint, {}, ""))
    given = of_settings(checkpoint, sd_vae, sd_text_encoders, catalogue)
    said, source = _preferred(checkpoint)
    unused = ""
    if said and "vae" not in given:
        try:
            catalogue.with_parts(checkpoint, said)
        except UnknownName:
            unused = f"The preferred VAE '{said[:100]}' is not used: there is no file of this name."
        except DarkroomError as error:
            unused = f"The preferred VAE '{said[:100]}' is not used. {error.detail}"
    by_said = source if said and not unused and not is_automatic(said) else ""
    if not (given or by_said):
        return Used(checkpoint, _rules(checkpoint, {}, ""), unused)
    try:
        names = split_names(given.get("text_encoders", ""))
        whole = _put_together(checkpoint, given.get("vae", ""), names, catalogue)
    except DarkroomError:
        # Each of the settings fits alone; a job is refused where they do not fit each other.
        return Used(checkpoint, _rules(checkpoint, {}, ""), unused)
    return Used(whole, _rules(whole, given, by_said), unused)


def _rules(whole: Checkpoint, given: Mapping[str, str], said: str) -> dict[str, str]:
    """By which rule each part came; said: the file that prefers the VAE, "" where none counts."""
    encoders = set(split_names(given.get("text_encoders", "")))
    by = {}
    for name, part in whole.parts.items():
        file = whole.completed.get(name, "")
        if part.role == "vae" and ("vae" in given or said):
            by[name] = "setting" if "vae" in given else said
        elif part.role == "text_encoder" and file in encoders:
            by[name] = "setting"
        elif not file:
            by[name] = "inside"
        else:
            beside = part.role == "vae" and is_neighbour(part.files[0], whole.path)
            by[name] = "neighbour" if beside else "fit"
    return by


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
    said, _ = _preferred(checkpoint)
    if said and is_automatic(vae):
        try:
            return catalogue.with_parts(checkpoint, said, text_encoders)
        except DarkroomError:
            pass
    return catalogue.with_parts(checkpoint, vae or AUTOMATIC, text_encoders)


def _preferred(checkpoint: Checkpoint) -> tuple[str, str]:
    """(the VAE that is preferred for it, which file beside it says so); "" where none does."""
    for source, said in (("sidecar", checkpoint.defaults.get("vae")), ("card", checkpoint.card.get("vae"))):
        if said:
            return (said, source) if isinstance(said, str) else ("", "")
    return "", ""


def _names(checkpoint: Checkpoint, role: str) -> list[str]:
    parts = checkpoint.parts
    return list(dict.fromkeys(file for name, file in checkpoint.completed.items() if parts[name].role == role))
