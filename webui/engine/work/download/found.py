"""What a look at an address found: files, their sizes and sums, a licence, and where it belongs. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

from webui.core.model_work import KINDS


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file. size: bytes, None where the server doesn't tell; sha256: hex, "" likewise; name: inside a folder."""

    url: str
    name: str
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What would be fetched. kind: a name in KINDS. is_folder: a model in diffusers' form.

    licence: as the server calls it, "" where it says none. page: where a person reads of it. trained_words: what a
    prompt needs. typed: addresses that the person, not a server, named.
    """

    name: str
    kind: str
    files: tuple[RemoteFile, ...]
    licence: str = ""
    page: str = ""
    is_folder: bool = False
    trained_words: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes of all files, None where one of them is unknown."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    @property
    def folder(self) -> str:
        """The folder inside models/ where it belongs."""
        return KINDS[self.kind]
