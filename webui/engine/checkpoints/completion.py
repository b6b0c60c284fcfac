"""Put models together of parts in several files: what fits by its tensors, or what a person chose. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webui.core.errors import ModelProblem, UnknownName
from webui.core.model_folders import CHECKPOINTS, TEXT_ENCODER, VAE
from webui.core.registry import Architecture, Family, Need
from webui.engine.checkpoints.identify import Kinds, fits
from webui.engine.checkpoints.parts import Part

AUTOMATIC, NONE = "Automatic", "None"
"""A1111's words for the VAE that the program chooses, and for the one inside the checkpoint."""

FOLDERS = {"denoiser": CHECKPOINTS, "vae": VAE, "text_encoder": TEXT_ENCODER}
"""Where the networks of each role go, inside models/."""

_VAE_END = ".vae"


@dataclass(frozen=True, slots=True)
class PartFile:
    """A file or folder with networks that models may lack. `problem` says why it cannot be used.

    role: of the networks, "vae" or "text_encoder". hides: files of its name that it comes before.
    """

    name: str
    path: Path
    role: str
    parts: tuple[Part, ...] = ()
    problem: str | None = None
    hides: tuple[Path, ...] = ()

    @property
    def title(self) -> str:
        """A1111's name of it: the file's, without its folder."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Whole:
    """A model's parts by its family's names; `completed` says from which file those came that were not its own.

    missing: needs that nothing met.
    """

    parts: Mapping[str, Part]
    completed: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offers:
    """All files of parts that there are."""

    vaes: Sequence[PartFile] = ()
    text_encoders: Sequence[PartFile] = ()

    def of(self, role: str) -> Sequence[PartFile]:
        """Those with networks of this role."""
        return {"vae": self.vaes, "text_encoder": self.text_encoders}.get(role, ())


class Completion:
    """Completes models of all families."""

    def __init__(self, kinds: Kinds, offers: Offers) -> None:
        self._architectures = {row.name: row for row in kinds.architectures}
        self._families = kinds.families
        self._offers = offers

    def automatic(self, family: Family, own: Mapping[str, Part], path: Path) -> Whole:
        """The model whose own parts these are, which lies at `path`, with what fits best in the places of the rest.

        A VAE beside the checkpoint that bears its name (model.vae.safetensors) counts more than the one inside.
        """
        chosen, completed = dict(own), dict[str, str]()
        for need in family.needs:
            beside = self._role(need) == "vae" and self._neighbour(need, chosen, path)
            found = beside or (None if need.part in chosen else self._best(family, need, chosen))
            if found:
                file, part = found
                chosen[need.part], completed[need.part] = part, file.name
        return self._whole(family, chosen, completed)

    def chosen(
        self, family: Family, own: Mapping[str, Part], path: Path, vae: str, text_encoders: Sequence[str]
    ) -> Whole:
        """The same with a person's choice: `vae` and `text_encoders` are names of files, Automatic or None.

        Raises UnknownName for a file that is not there, ModelProblem for one that does not fit.
        """
        base = self.automatic(family, own, path)
        parts, completed = dict(base.parts), dict(base.completed)
        if vae.casefold() == NONE.casefold():
            self._own_vae(family, own, parts, completed)
        elif vae and vae.casefold() != AUTOMATIC.casefold():
            self._put(family, [_named(vae, self._offers.vaes, "VAE", "vae")], parts, completed, "vae")
        # Automatic among them says of the others that the program may choose.
        names = [name for name in text_encoders if name.casefold() not in (AUTOMATIC.casefold(), NONE.casefold(), "")]
        files = [_named(name, self._offers.text_encoders, "text encoder", "text_encoders") for name in names]
        self._put(family, files, parts, completed, "text_encoder")
        return self._whole(family, parts, completed)

    def lacking(self, family: Family, missing: Iterable[str]) -> str | None:
        """What a model lacks and where it is to be put, as a sentence."""
        needs = {need.part: need for need in family.needs}
        said = []
        for name in missing:
            need = needs[name]
            row = self._architectures.get(need.architecture)
            title = row.title if row else need.architecture
            hint = f"; such files often have '{need.names[0]}' in their names" if need.names else ""
            said.append(f"{name} ({title}{hint}), which goes into models/{FOLDERS[self._role(need)]}")
        return f"It has no {'; and no '.join(said)}." if said else None

    def _whole(self, family: Family, chosen: dict[str, Part], completed: dict[str, str]) -> Whole:
        names = dict.fromkeys([*(need.part for need in family.needs), *chosen])
        ordered = {name: chosen[name] for name in names if name in chosen}
        missing = tuple(need.part for need in family.needs if need.part not in chosen and not need.optional)
        return Whole(ordered, completed, missing)

    def _role(self, need: Need) -> str:
        row: Architecture | None = self._architectures.get(need.architecture)
        return row.role if row else ""

    def _neighbour(self, need: Need, chosen: Mapping[str, Part], path: Path) -> tuple[PartFile, Part] | None:
        for file in self._offers.vaes:
            if is_neighbour(file.path, path):
                return next(((file, part) for part in file.parts if fits(need, part, chosen)), None)
        return None

    def _best(self, family: Family, need: Need, chosen: Mapping[str, Part]) -> tuple[PartFile, Part] | None:
        taken = list(chosen.values())
        found = [
            (file, part)
            for file in self._offers.of(self._role(need))
            # One that bears a checkpoint's name is that one's.
            if not file.path.stem.endswith(_VAE_END) and not self._is_another_familys(family, need, file)
            for part in file.parts
            if part not in taken and fits(need, part, chosen)
        ]
        return min(found, key=lambda one: (_rank(need, one[0]), one[0].name.casefold()), default=None)

    def _is_another_familys(self, family: Family, need: Need, file: PartFile) -> bool:
        """Whether its name says that it is for another family, whose networks of this kind look just the same."""
        if _rank(need, file) < len(need.names):
            return False
        others = (
            other
            for row in self._families
            if row.name != family.name
            for other in row.needs
            if other.architecture == need.architecture and other.names != need.names
        )
        return any(_rank(other, file) < len(other.names) for other in others)

    def _own_vae(
        self, family: Family, own: Mapping[str, Part], parts: dict[str, Part], completed: dict[str, str]
    ) -> None:
        for need in family.needs:
            if self._role(need) == "vae":
                if need.part not in own:
                    raise ModelProblem(
                        "There is no VAE inside this checkpoint.", field="vae", remedies=("Choose Automatic or a file",)
                    )
                parts[need.part] = own[need.part]
                completed.pop(need.part, None)

    def _put(
        self,
        family: Family,
        files: Sequence[PartFile],
        parts: dict[str, Part],
        completed: dict[str, str],
        role: str,
    ) -> None:
        """Put each file's networks of this role where they fit, none in another's place."""
        filled = set[str]()
        for file in files:
            if file.problem:
                raise ModelProblem(f"{file.title} cannot be used. {file.problem}", field=_FIELDS[role])
            placed = False
            for need in (need for need in family.needs if self._role(need) == role and need.part not in filled):
                part = next((part for part in file.parts if fits(need, part, parts)), None)
                if part is not None:
                    parts[need.part], completed[need.part], placed = part, file.name, True
                    filled.add(need.part)
                    if len(file.parts) == 1:
                        break
            if not placed:
                raise ModelProblem(
                    f"{file.title} does not fit {family.title}: {self._why(family, file, parts, role)}.",
                    field=_FIELDS[role],
                    remedies=("Choose Automatic", "Choose another file"),
                )

    def _why(self, family: Family, file: PartFile, parts: Mapping[str, Part], role: str) -> str:
        """What is wrong with a file's networks, by the first fact that is not as it should be."""
        needs = [need for need in family.needs if self._role(need) == role]
        titles = [row.title for row in map(self._architectures.get, {need.architecture for need in needs}) if row]
        for need in needs:
            for part in file.parts:
                if part.architecture == need.architecture:
                    return next(_differences(need, part, parts), "another file that was chosen takes its place")
        return f"it needs {' or '.join(titles) or 'none'}, and this is another kind"


_FIELDS = {"vae": "vae", "text_encoder": "text_encoders"}


def _differences(need: Need, part: Part, parts: Mapping[str, Part]) -> Iterator[str]:
    facts = part.form.facts
    wanted = {name: value if isinstance(value, tuple) else (value,) for name, value in need.facts.items()}
    for name, other in need.same.items():
        of, _, fact = other.partition(".")
        if of in parts:
            wanted[name] = (parts[of].form.facts.get(fact),)
    for name, values in wanted.items():
        if facts.get(name) not in values:
            yield f"{name.replace('_', ' ')} should be {' or '.join(map(str, values))}, and is {facts.get(name)}"


def _rank(need: Need, file: PartFile) -> int:
    """The place of the first of the need's words that the file's name has; as many as there are for none.

    A word of two letters must stand alone there: "ae" is in every "vae".
    """
    name = file.name.casefold()
    pieces = set(re.split(r"[^a-z0-9]+", name))
    words = (word.casefold() for word in need.names)
    has = (word in pieces or (len(word) > 2 and word in name) for word in words)
    return next((place for place, found in enumerate(has) if found), len(need.names))


def is_neighbour(vae: Path, checkpoint: Path) -> bool:
    """Whether this VAE lies beside the checkpoint under its name, as model.vae.safetensors."""
    stem = checkpoint.name if checkpoint.is_dir() else checkpoint.stem
    return vae.parent == checkpoint.parent and vae.stem == f"{stem}{_VAE_END}"


def find_part(name: str, files: Sequence[PartFile]) -> PartFile | None:
    """The file of this name: with or without its folder and its ending."""
    wanted = name.replace("\\", "/").casefold()
    exact = (file for file in files if wanted == file.name.casefold())
    loose = (file for file in files if wanted in (file.path.name.casefold(), file.path.stem.casefold()))
    return next(exact, None) or next(loose, None)


def _named(name: str, files: Sequence[PartFile], kind: str, field: str) -> PartFile:
    found = find_part(name, files)
    if found is not None:
        return found
    raise UnknownName(kind, name, [file.name for file in files if not file.problem], field=field)
