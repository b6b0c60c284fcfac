"""Tokens for model servers, by host, in a file that nobody else may read. Torch-free."""

from __future__ import annotations

import re
from pathlib import Path

from webui.core.errors import InvalidField
from webui.core.private_files import read_private, write_private

NAME = "tokens.json"
"""The file's name in the folder of the program's own files."""

_MAX_TOKEN = 2_000
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}(:\d{1,5})?")


def check_host(host: str) -> str:
    """The name of a server in lower case. Raises InvalidField."""
    host = host.strip().lower()
    if not _HOST.fullmatch(host):
        raise InvalidField(f"'{host[:60]}' is no server's name.", field="host", remedies=("As in huggingface.co",))
    return host


class TokenFile:
    """The tokens; read anew each time, so that one that was added counts at once."""

    def __init__(self, path: Path | None) -> None:
        """path: None for no tokens at all."""
        self._path = path

    def get(self, host: str) -> str | None:
        """The token for a host ("huggingface.co", "nas.local:8080"). Raises StorageProblem: others may read it."""
        return self._read().get(host)

    def put(self, host: str, token: str) -> None:
        """Keep a token, or with an empty one forget it. Raises InvalidField, StorageProblem."""
        if len(token) > _MAX_TOKEN or any(letter <= " " or letter > "~" for letter in token):
            raise InvalidField("A token is one word of plain letters, digits and signs.", field="token")
        if self._path is None:
            return
        tokens = {**self._read(), host: token}
        kept = {name: one for name, one in tokens.items() if one}
        write_private(self._path, kept)

    def _read(self) -> dict[str, str]:
        if self._path is None:
            return {}
        data = read_private(self._path)
        return {host: token for host, token in data.items() if isinstance(token, str)}
