"""The request to have a picture described: a frozen value of names, done in the workshop as works on models are."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from webui.core.model_work import ModelWork, option

TASK: Final = "caption"


@dataclass(frozen=True, slots=True)
class Caption(ModelWork):
    """A picture put into words. picture: the name of a picture that waits (webui/images/waiting.py)."""

    keeps_place = False

    captioner: str = option("", "The captioner's folder; empty for the first that works.")
    picture: str = option("", "The picture that waits, by the sha256 of its file.", most=64)
    title: str = option("", "What the picture is called.")

    @property
    def summary(self) -> str:
        """Which picture."""
        return self.title or self.picture[:10]

    @property
    def alike(self) -> Hashable:
        """One captioner takes about as long for each picture."""
        return (TASK, self.captioner)

    @property
    def lighter(self) -> tuple[str, ...]:
        """What a person can do when it was too much for the machine."""
        return ("Use a smaller captioner", "Close programs that use much memory")
