"""One checkpoint: what it is, what it is made of, whether it can be used. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.completion import Whole
from webui.engine.checkpoints.parts import Part


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint. `hash` is sha256 in hex, "" until it is computed; `problem` says why it cannot be used.

    family, variant, scheduler: see `Identified`. inside: its own parts, by the family's names; parts: those that it is
    loaded from; completed: from which file each of those came that is not its own. missing: what nothing here meets.
    weights: all files that it is read from, size_bytes theirs; own: those of them that the hash is of, format theirs.
    card: what is said of it for people to read. models_dir: the person's folder of models, where what it lacks is
    looked for. legacy_hash: A1111's old one of eight digits. hides: files of its name that it comes before.
    """

    name: str
    path: Path
    family: str
    kind: Literal["diffusers", "single"] = "diffusers"
    hash: str = ""
    variant: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    scheduler: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[Path, ...] = ()
    size_bytes: int = 0
    defaults: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None
    models_dir: Path | None = None
    own: tuple[Path, ...] = ()
    inside: Mapping[str, Part] = field(default_factory=dict)
    completed: Mapping[str, str] = field(default_factory=dict)
    legacy_hash: str = ""
    format: str = "diffusers"
    card: Mapping[str, str] = field(default_factory=dict)
    hides: tuple[Path, ...] = ()

    @property
    def title(self) -> str:
        """A1111's title: the name, and the first ten digits of the hash when it is known."""
        return f"{self.name} [{self.hash[:10]}]" if self.hash else self.name

    @property
    def precision(self) -> str:
        """What the denoiser's numbers are kept in ("fp16", "Q4_K"); "" where there is none."""
        return next((part.precision for part in self.parts.values() if part.role == "denoiser"), "")

    @property
    def prediction_type(self) -> str:
        """What it predicts as its sidecar, its weights or its folder say ("v_prediction"); "" where none says it."""
        return str(self.defaults.get("prediction_type") or self.scheduler.get("prediction_type") or "")

    def made_of(self, whole: Whole, problem: str | None) -> Checkpoint:
        """The same made of these parts."""
        files = tuple(dict.fromkeys(file for part in whole.parts.values() for file in part.files)) or self.own
        try:
            size = sum(file.stat().st_size for file in files)
        except OSError as error:
            size, problem = 0, problem or f"It cannot be read: {error.strerror or error}."
        return replace(
            self,
            parts=whole.parts,
            completed=whole.completed,
            missing=whole.missing,
            weights=files,
            size_bytes=size,
            problem=problem,
        )

    def usable(self) -> Checkpoint:
        """The same. Raises ModelProblem when it cannot be used, or has vanished since it was found."""
        if not self.path.exists():
            raise ModelProblem(
                f"{self.name} is no longer there.",
                field="checkpoint",
                remedies=("Put it back", "Choose another checkpoint"),
            )
        if self.problem:
            raise ModelProblem(
                f"{self.name} cannot be used. {self.problem}",
                field="checkpoint",
                remedies=("Choose another checkpoint", "Replace its file, then refresh the list"),
            )
        missing = [file for file in self.weights if not file.is_file()]
        if missing:
            raise ModelProblem(
                f"{self.name} is no longer complete: {missing[0].parent.name}/{missing[0].name} is gone.",
                field="checkpoint",
                remedies=("Put the file back", "Choose another checkpoint"),
            )
        return self
