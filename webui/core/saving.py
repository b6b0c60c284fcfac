"""What is written beside a picture's pixels, as extensions may add to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Saving:
    """infotext: further keys of the parameters text with their values. chunks: further text chunks, by PNG keyword."""

    infotext: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    chunks: Mapping[str, str] = field(default_factory=dict)

    def but(
        self, infotext: Mapping[str, str | int | float | bool] | None = None, chunks: Mapping[str, str] | None = None
    ) -> Saving:
        """The same with these keys and chunks besides."""
        return replace(self, infotext={**self.infotext, **(infotext or {})}, chunks={**self.chunks, **(chunks or {})})
