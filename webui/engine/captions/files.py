"""From the names in a request for a caption to files, as the web process and the workshop ask for them. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from webui.core.caption_request import Caption
from webui.core.errors import BadPicture
from webui.engine.captions.captioners import Captioner, choose
from webui.engine.work.library import Library
from webui.images.waiting import WaitingPictures


@dataclass(frozen=True, slots=True)
class CaptionFiles:
    """What a caption is made of: the captioner, and the picture's file."""

    captioner: Captioner
    picture: Path


def accept_caption(request: Caption, library: Library) -> Caption:
    """The request with the captioner's own name. Raises CaptionerProblem, UnknownName, BadPicture."""
    return replace(request, captioner=caption_files(request, library).captioner.name)


def caption_files(request: Caption, library: Library) -> CaptionFiles:
    """The files that it names. Raises CaptionerProblem, UnknownName, BadPicture."""
    captioner = choose(library.models, request.captioner)
    if library.pictures is None:
        raise BadPicture("No picture waits here.", field="picture")
    return CaptionFiles(captioner, WaitingPictures(library.pictures).get(request.picture))
