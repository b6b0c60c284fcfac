"""Where new checkpoints go and what they are called, where nobody says it. Torch-free."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path

from webui.core.errors import UnknownName
from webui.core.model_work import DIFFUSERS
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.work.names import safe_name


def suffix_of(form: str) -> str:
    """What the names of models in a form end in; those of folders in nothing."""
    return "" if form == DIFFUSERS else f".{form}"


def place_in(folder: Path, name: str, suffix: str = "") -> Path:
    """The place of a new checkpoint in this folder, under a safe name."""
    return folder / safe_name(name.removesuffix(suffix) + suffix, suffix)


def beside(source: Checkpoint, catalogue: Catalogue) -> Path:
    """The folder for what is made of a checkpoint: its own among the person's; what lies elsewhere is left alone."""
    own = source.path.parent
    return own if own.is_relative_to(catalogue.folder) else catalogue.folder


def default_place(folder: Path, name: str, suffix: str, catalogue: Catalogue) -> Path:
    """The place of what has no name of its own yet: a folder never takes a name by which another model is known.

    For a folder's name comes before those of files without their ends.
    """
    if suffix:
        return place_in(folder, name, suffix)
    free = f"{name}-{DIFFUSERS}"
    names = chain((name, free), (f"{free}-{number}" for number in count(2)))
    places = (place_in(folder, one) for one in names)
    return next(place for place in places if _is_free(place, catalogue))


def told(target: Path, catalogue: Catalogue) -> str:
    """A place as an accepted request keeps it: below the folder of checkpoints."""
    return target.relative_to(catalogue.folder).as_posix()


def place_of(source: Checkpoint, kept: str, suffix: str, catalogue: Catalogue) -> Path:
    """The place that `told` named. Its folder is the source's or the one of all, whatever a request claims."""
    folder, _, name = kept.rpartition("/")
    return place_in(beside(source, catalogue) if folder else catalogue.folder, name, suffix)


def _is_free(place: Path, catalogue: Catalogue) -> bool:
    """Whether no other model is called so; what lies there already is told with the ways out."""
    try:
        return catalogue.find(place.name).path == place
    except UnknownName:
        return True
