"""Tokens for model servers, by host, in a file that nobody else may read. Torch-free."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from pathlib import Path

from webui.core.errors import InvalidField, StorageProblem

NAME = "tokens.json"
"""The file's name in the folder of the program's own files."""

_MAX_BYTES, _MAX_TOKEN = 100_000, 2_000
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
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(kept, file, indent=2)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StorageProblem(f"{self._path} cannot be written: {error.strerror or error}.") from error

    def _read(self) -> dict[str, str]:
        if self._path is None:
            return {}
        try:
            with self._path.open("rb") as file:
                self._check_rights(os.fstat(file.fileno()))
                data = json.loads(file.read(_MAX_BYTES))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageProblem(f"{self._path} cannot be read: {error.strerror or error}.") from error
        except ValueError:
            # Without its cause, which shows what is in the file.
            raise StorageProblem(f"{self._path} is no JSON.", remedies=("Correct it or delete it",)) from None
        if not isinstance(data, dict):
            raise StorageProblem(f"{self._path} holds no tokens by host.", remedies=("Correct it or delete it",))
        return {str(host): token for host, token in data.items() if isinstance(token, str)}

    def _check_rights(self, found: os.stat_result) -> None:
        if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o077:
            raise StorageProblem(
                f"Others on this machine may read the tokens in {self._path}, so they are not used.",
                remedies=(f"chmod 600 {self._path}", "Make new tokens if others have read these"),
            )
