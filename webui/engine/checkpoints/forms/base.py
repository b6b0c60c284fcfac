"""What a family's row says of writing its models; torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from webui.core.errors import ModelProblem
from webui.core.registry import Family
from webui.engine.checkpoints.latent_scales import Scale
from webui.engine.checkpoints.tokenizer_files import KnownTokenizer
from webui.plugins.resolve import resolve

ENDS = "<|endoftext|>"
FLOW = "FlowMatchEulerDiscreteScheduler"


class Place(NamedTuple):
    """Where a part lies in a single file, and in which of its architecture's namings."""

    prefix: str
    layout: str


@dataclass(frozen=True)
class FolderForm:
    """A folder in diffusers' form.

    pipelines: by variant, "" for the plain kind. side: of the pictures it was trained on, in pixels. scaling: of
    its latents. scheduler: class and configuration. shifts: by variant, of flow
    models whose noise levels are bent the same way for pictures of every size. pads: with what each of CLIP's
    tokenizers fills up; known: the others. index: what model_index.json says besides.
    """

    pipelines: Mapping[str, str]
    side: int
    scaling: Scale
    scheduler: tuple[str, Mapping[str, Any]]
    pads: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, KnownTokenizer] = field(default_factory=dict)
    index: Mapping[str, Any] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Forms:
    """What `Family.forms` names: both forms of a family's models. merges: whether two of them can be merged."""

    single: Mapping[str, Place] = field(default_factory=dict)
    folder: FolderForm | None = None
    merges: bool = False


def forms_of(families: tuple[Family, ...], name: str) -> Forms:
    """Those of the family of this name; none where its row names none."""
    reference = next((family.forms for family in families if family.name == name), "")
    found: Forms = resolve(reference) if reference else Forms()
    return found


def single_form(families: tuple[Family, ...], name: str) -> Mapping[str, Place]:
    """The places of a family's parts in single files as people have them. Raises ModelProblem: it has no such form."""
    single = forms_of(families, name).single
    if not single:
        raise ModelProblem(
            f"Models of {_title(families, name)} have no form as a single file that is known here.",
            field="checkpoint",
            remedies=("Choose another checkpoint",),
        )
    return single


def folder_form(families: tuple[Family, ...], name: str) -> FolderForm:
    """The form of a family's folders. Raises ModelProblem: it has none that is known here."""
    folder = forms_of(families, name).folder
    if folder is None:
        raise ModelProblem(
            f"Models of {_title(families, name)} are not written as folders here.",
            field="checkpoint",
            remedies=("Choose another checkpoint",),
        )
    return folder


def _title(families: tuple[Family, ...], name: str) -> str:
    return next((family.title for family in families if family.name == name), f"the family '{name}'")
