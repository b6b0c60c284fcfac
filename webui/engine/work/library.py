"""From the names in a request for a work to files, in one place for every door: the API, the workshop, the CLI.

Torch-free. `accept_*` check a request when it comes and make its names canonical; `*_files` find what it works on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from webui.core.errors import InvalidField, ModelProblem, UnknownName
from webui.core.model_work import MERGED, Convert, Download, Merge, Prune
from webui.engine.checkpoints.aliases import SHORT_HASH, hash_of
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.work.download.fetch import FetchFiles
from webui.engine.work.download.found import Found
from webui.engine.work.download.look import Source, Wanted, check_wanted, look
from webui.engine.work.download.tokens import TokenFile
from webui.engine.work.files import WorkFiles, check_target
from webui.engine.work.merging import MergeFiles, merged
from webui.engine.work.names import check_length, safe_name
from webui.engine.work.naming import merged_name
from webui.engine.work.places import beside, default_place, place_in, place_of, suffix_of, told
from webui.engine.work.prunable import check_prunable
from webui.engine.work.workable import check_convertible, check_known

# A1111's word for it, besides none at all.
_NO_VAE = ("", "None")
_ENDINGS = {"inpainting": ".inpainting", "pix2pix": ".instruct-pix2pix"}
"""By the variant of A, so that A1111 knows the result too."""


@dataclass(frozen=True, slots=True)
class Library:
    """Where works find what they are asked for, and put what they make.

    open_catalogue: asked only by works on what is on this machine. models: the folder with A1111's model folders, for
    downloads. tokens: the file with those of servers, None for none.
    any_file: a VAE may be named by a path too, as on the command line.
    """

    open_catalogue: Callable[[], Catalogue]
    models: Path
    tokens: Path | None = None
    any_file: bool = False
    sources: tuple[Source, ...] = ()
    """Where extensions find models to download."""
    pictures: Path | None = None
    """The folder with pictures that wait to be described."""

    @property
    def catalogue(self) -> Catalogue:
        """The checkpoints and VAEs on this machine."""
        return self.open_catalogue()

    def place(self, name: str, suffix: str = "") -> Path:
        """The place of a new checkpoint: among the person's own, under a safe name."""
        return place_in(self.catalogue.folder, name, suffix)

    def place_of(self, request: Convert | Prune, source: Checkpoint, made: str, suffix: str) -> Path:
        """The place of what is made of a checkpoint: under the name that is asked for, else beside it as `made`."""
        catalogue = self.catalogue
        if request.target:
            return place_of(source, request.target, suffix, catalogue)
        if request.name:
            return place_in(catalogue.folder, request.name, suffix)
        return default_place(beside(source, catalogue), made, suffix, catalogue)


def merge_files(request: Merge, library: Library) -> MergeFiles:
    """The checkpoints, the VAE and the place. Raises UnknownName, InvalidField, ModelProblem."""
    a, b, c = (_named(request, field, library) for field in MERGED.values())
    if a is None:
        raise InvalidField("A merge needs A, its first model.", field=MERGED["A"])
    names = [stem(model) if model else "" for model in (a, b, c)]
    made = merged_name(request, *names) + _ENDINGS.get(a.variant, "")
    target, suffix = request.target or request.custom_name, suffix_of(request.format)
    catalogue = library.catalogue
    place = library.place(target, suffix) if target else default_place(catalogue.folder, made, suffix, catalogue)
    vae = None if request.bake_in_vae in _NO_VAE else _vae(request.bake_in_vae, library)
    files = MergeFiles(a, place, b, c, vae, catalogue.kinds)
    merged(request, files)
    return files


def accept_merge(request: Merge, library: Library) -> Merge:
    """The request with titles. Raises what `merge_files` does, and Conflict, StorageProblem for its place."""
    files = merge_files(replace(request, target=""), library)
    check_target(files.target, overwrite=request.overwrite)
    return replace(
        request,
        primary_model_name=files.a.title,
        secondary_model_name=files.b.title if files.b else "",
        tertiary_model_name=files.c.title if files.c else "",
        target=files.target.name,
    )


def convert_files(request: Convert, library: Library) -> WorkFiles:
    """The checkpoint and the place of its new form. Raises UnknownName, ModelProblem, InvalidField."""
    source = _source(request.checkpoint, library)
    suffix = suffix_of(request.form)
    target = library.place_of(request, source, stem(source), suffix)
    if target == source.path and not (request.name or request.target or request.overwrite):
        # Another precision in the same form; the old file is what nobody asked to lose.
        made = "-".join([stem(source), *dict.fromkeys(request.precision.values())])
        target = library.place_of(request, source, made, suffix)
    check_convertible(source, request.form, library.catalogue.kinds)
    return WorkFiles(source, target, library.catalogue.kinds)


def accept_convert(request: Convert, library: Library) -> Convert:
    """The request with a title. Raises what `convert_files` does, and Conflict, StorageProblem for its place."""
    files = convert_files(replace(request, target=""), library)
    check_target(files.target, overwrite=request.overwrite)
    return replace(request, checkpoint=files.source.title, target=told(files.target, library.catalogue))


def prune_files(request: Prune, library: Library) -> WorkFiles:
    """The checkpoint and the place of what is left of it. Raises UnknownName, ModelProblem, InvalidField."""
    source = _source(request.checkpoint, library)
    check_prunable(source)
    made = f"{stem(source)}-{'ema' if request.keep_ema else 'pruned'}"
    target = library.place_of(request, source, made, suffix_of(request.format))
    return WorkFiles(source, target, library.catalogue.kinds)


def accept_prune(request: Prune, library: Library) -> Prune:
    """The request with a title. Raises what `prune_files` does, and Conflict, StorageProblem for its place."""
    files = prune_files(replace(request, target=""), library)
    check_target(files.target, overwrite=request.overwrite)
    return replace(request, checkpoint=files.source.title, target=told(files.target, library.catalogue))


def wanted(request: Download) -> Wanted:
    """What is asked for, for a look."""
    return Wanted(request.address.strip(), request.revision, request.file, request.kind)


def download_files(request: Download, library: Library) -> FetchFiles:
    """What its server has, by a look at it, and the place that it goes to. Raises DarkroomError."""
    found = look(wanted(request), TokenFile(library.tokens), sources=library.sources)
    return FetchFiles(found, download_place(found, request.name, library), library.tokens)


def download_place(found: Found, name: str, library: Library) -> Path:
    """Where it goes: the folder of its kind, under a name of the person's or the server's. Raises InvalidField."""
    suffix = "" if found.is_folder else Path(found.name).suffix
    check_length(name, suffix)
    return library.models / found.folder / safe_name((name or found.name).removesuffix(suffix) + suffix, suffix)


def accept_download(request: Download, library: Library) -> Download:
    """The request, if its address is one; no server is asked yet. Raises InvalidField."""
    check_wanted(wanted(request), sources=library.sources)
    check_length(request.name)
    return replace(request, address=request.address.strip())


def stem(checkpoint: Checkpoint) -> str:
    """A checkpoint's name without folders and end, as new names are made of it."""
    return checkpoint.path.name if checkpoint.kind == "diffusers" else checkpoint.path.stem


def _named(request: Merge, field: str, library: Library) -> Checkpoint | None:
    name: str = getattr(request, field)
    return _found(name, library, field) if name.strip() else None


def _source(name: str, library: Library) -> Checkpoint:
    if not name.strip():
        raise InvalidField("Say which checkpoint it is about.", field="checkpoint")
    source = _found(name, library, "checkpoint")
    check_known(source, "checkpoint", "worked on")
    return source


def _found(name: str, library: Library, field: str) -> Checkpoint:
    try:
        found = library.catalogue.find(name)
    except UnknownName as error:
        raise _at(error, field) from None
    if not found.path.exists():
        raise ModelProblem(f"{found.name} is no longer there.", field=field)
    # A request that waited names what it was accepted with, which may have been replaced since.
    digits = "" if found.name.casefold() == name.strip().casefold() else hash_of(name)
    if len(digits) >= SHORT_HASH and not library.catalogue.hash_now(found).startswith(digits):
        raise ModelProblem(f"{found.name} is no longer the file {digits} that was asked for.", field=field)
    return found


def _at(error: UnknownName, field: str) -> InvalidField:
    """The same error at the field that named it."""
    return InvalidField(error.detail, field=field, remedies=error.remedies)


def _vae(name: str, library: Library) -> Path:
    known = library.catalogue.vaes()
    found = next((vae.path for vae in known if name in (vae.name, vae.title, vae.path.stem)), None)
    if found is None and library.any_file and Path(name).is_file():
        found = Path(name)
    if found is None:
        raise UnknownName("VAE", name, [vae.name for vae in known], field="bake_in_vae")
    return found
