"""Make checkpoints and lists of parts of what was found in the folders. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from webui.core.errors import DarkroomError, UnknownName
from webui.core.registry import Family
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.completion import Completion, Offers, PartFile, Whole
from webui.engine.checkpoints.hashes import SMALL_BYTES, HashCache
from webui.engine.checkpoints.identify import Identified, Kinds, judge
from webui.engine.checkpoints.looks import Look
from webui.engine.checkpoints.scan import Seen, first_of_names
from webui.engine.checkpoints.sidecars import Sidecar, read_sidecars

_FORMATS = {".safetensors": "safetensors", ".sft": "safetensors", ".gguf": "gguf"}
_PREDICTIONS = {"v": "v_prediction", "epsilon": "epsilon"}
"""What modelspec calls a prediction, by our name."""

Looked = Mapping[Path, Look]


class Describer:
    """Describes one thing after another by the same rows."""

    def __init__(self, kinds: Kinds, hashes: HashCache, models_dir: Path | None, *, hash_small: bool = True) -> None:
        """hash_small: hash files that are read in no time, where their hashes are not known."""
        self._kinds, self._hashes, self._models_dir = kinds, hashes, models_dir
        self._small_bytes = SMALL_BYTES if hash_small else 0
        self._families = {family.name: family for family in kinds.families}

    def checkpoints(self, seen: Iterable[Seen], looks: Looked, completion: Completion) -> list[Checkpoint]:
        """All of them by name; of two with one name the first, so that a person's own folder comes first."""
        found = [
            replace(self._checkpoint(one, looks[one.path], completion), hides=hides)
            for one, hides in first_of_names(seen).items()
        ]
        self._hashes.keep()
        return sorted(found, key=lambda checkpoint: checkpoint.name.casefold())

    def _checkpoint(self, one: Seen, look: Look, completion: Completion) -> Checkpoint:
        sidecar = read_sidecars(path for path, _ in one.sidecars)
        what = self._overruled(one, look, sidecar)
        files = tuple(dict.fromkeys(file for part in what.parts.values() for file in part.files))
        checkpoint = Checkpoint(
            one.name,
            one.path,
            what.family,
            "diffusers" if one.is_folder else "single",
            variant=what.variant,
            scheduler=what.scheduler,
            defaults={**_marks(what, look.inside.metadata), **sidecar.defaults},
            models_dir=self._models_dir,
            own=files or (() if one.is_folder else (one.path,)),
            inside=what.parts,
            legacy_hash=look.legacy_hash,
            format="diffusers" if one.is_folder else _FORMATS.get(one.path.suffix.lower(), "ckpt"),
            card={**look.inside.metadata, **sidecar.card},
        )
        problem = what.problem or sidecar.problem
        try:
            checkpoint = replace(checkpoint, hash=self._hash(checkpoint.own))
        except OSError as error:
            problem = problem or f"It cannot be read: {error.strerror or error}."
        whole = Whole(what.parts, missing=what.missing)
        family = self._families.get(what.family)
        if family is not None and problem is None:
            whole = completion.automatic(family, what.parts, one.path)
            problem = completion.lacking(family, whole.missing)
        if problem and what.family and look.what.family not in ("", what.family):
            problem += f" {self._doubt(what.family, look.what.family)}"
        return checkpoint.made_of(whole, problem)

    def _doubt(self, said: str, seen: str) -> str:
        """What may be wrong with a checkpoint that does not work as what its sidecar says that it is."""
        titles = {name: family.title for name, family in self._families.items()}
        return f"Its darkroom.json says that it is {titles[said]}; by its content it is {titles.get(seen, seen)}."

    def _overruled(self, one: Seen, look: Look, sidecar: Sidecar) -> Identified:
        """What it is by its content, or what its sidecar says that it is."""
        if not sidecar.family:
            return look.what
        family = self._family(sidecar.family)
        if family is None:
            names = [row.name for row in self._kinds.families]
            return replace(look.what, problem=UnknownName("family in its darkroom.json", sidecar.family, names).detail)
        if family.name == look.what.family:
            return look.what
        try:
            return judge(one.path, look.inside, self._kinds, family)
        except DarkroomError as error:
            return Identified(problem=error.detail)
        except OSError as error:
            return Identified(problem=f"It cannot be read: {error.strerror or error}.")

    def _family(self, name: str) -> Family | None:
        wanted = name.casefold()
        rows = self._kinds.families
        return next((row for row in rows if wanted in (n.casefold() for n in (row.name, *row.aliases))), None)

    def _hash(self, files: Sequence[Path]) -> str:
        known = self._hashes.known(files)
        if known is None and files and sum(file.stat().st_size for file in files) <= self._small_bytes:
            known = self._hashes.compute(files)
        return known or ""


def is_part_beside(one: Seen) -> bool:
    """Whether it is a VAE that lies among checkpoints under the name of one of them, as model.vae.safetensors."""
    return not one.is_folder and one.path.stem.casefold().endswith(".vae")


def offers(vaes: Iterable[Seen], text_encoders: Iterable[Seen], mixed: Iterable[Seen], looks: Looked) -> Offers:
    """The files of parts in these folders; of the mixed ones those that hold such a part."""
    mixed = list(mixed)
    return Offers(
        _part_files([*vaes, *_of_role(mixed, looks, "vae")], looks, "vae"),
        _part_files([*text_encoders, *_of_role(mixed, looks, "text_encoder")], looks, "text_encoder"),
    )


def _of_role(seen: Iterable[Seen], looks: Looked, role: str) -> Iterator[Seen]:
    return (one for one in seen if any(part.role == role for part in looks[one.path].inside.parts))


def _part_files(seen: Iterable[Seen], looks: Looked, role: str) -> tuple[PartFile, ...]:
    found: list[PartFile] = []
    for one, hides in first_of_names(seen).items():
        inside = looks[one.path].inside
        parts = tuple(part for part in inside.parts if part.role == role)
        problem = None if parts else _why_none(looks[one.path], role)
        found.append(PartFile(one.name, one.path, role, parts, problem, hides))
    return tuple(sorted(found, key=lambda file: file.name.casefold()))


def _why_none(look: Look, role: str) -> str:
    kind = {"vae": "VAE", "text_encoder": "text encoder"}[role]
    # What it is instead was said with the checkpoint folder in mind, and holds here too for all but parts.
    return (
        f"There is no {kind} that is known here in it."
        if look.inside.parts or not look.what.problem
        else (look.what.problem)
    )


def _marks(what: Identified, metadata: Mapping[str, str]) -> dict[str, Any]:
    """What the weights say of their noise: two empty tensors count more than words of the file's metadata."""
    facts = next((part.form.facts for part in what.parts.values() if part.role == "denoiser"), {})
    said = "v_prediction" if facts.get("v_pred") else _PREDICTIONS.get(metadata.get("prediction_type", ""))
    return {**({"prediction_type": said} if said else {}), **({"zero_snr": True} if facts.get("ztsnr") else {})}
