"""Files of ours that nobody else on this machine may read: JSON objects with tokens and the like."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.core.errors import StorageProblem

_MOST_BYTES = 1_000_000


def read_private(path: Path) -> dict[str, Any]:
    """The object in the file, empty where there is no file. Raises StorageProblem: also where others may read it."""
    try:
        with path.open("rb") as file:
            _check_rights(path, os.fstat(file.fileno()))
            data = json.loads(file.read(_MOST_BYTES))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageProblem(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError:
        # Without its cause, which shows what is in the file.
        raise StorageProblem(f"{path} is no JSON.", remedies=("Correct it or delete it",)) from None
    if not isinstance(data, dict):
        raise StorageProblem(f"{path} holds no object.", remedies=("Correct it or delete it",))
    return data


def write_private(path: Path, data: Mapping[str, Any]) -> None:
    """Write the file whole, for this user's eyes alone. Raises StorageProblem."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageProblem(f"{path} cannot be written: {error.strerror or error}.") from error


def _check_rights(path: Path, found: os.stat_result) -> None:
    if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o077:
        raise StorageProblem(
            f"Others on this machine may read the tokens in {path}, so they are not used.",
            remedies=(f"chmod 600 {path}", "Make new tokens if others have read these"),
        )
