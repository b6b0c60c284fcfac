"""What became of a script's requests: their pictures as files, opened when they are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from webui.core.request import GenerationRequest
from webui.images.picture_file import open_picture


@dataclass(frozen=True, slots=True)
class MadePicture:
    """A saved picture; its file is there unless somebody has removed it meanwhile."""

    path: Path
    seed: int
    infotext: str
    width: int
    height: int

    def image(self) -> Image.Image:
        """The picture, read anew each time. Raises BadPicture."""
        with open_picture(self.path) as image:
            return image.copy()


@dataclass(frozen=True, slots=True)
class Result:
    """A request as it was accepted, and its pictures. problem: why some are lacking, as a sentence; else ""."""

    request: GenerationRequest
    pictures: tuple[MadePicture, ...]
    problem: str = ""
