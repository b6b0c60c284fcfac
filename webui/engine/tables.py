"""Small JSON files of the engine's own: read as far as they can be, and written whole or not at all."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def read_table(file: Path | None) -> dict[str, Any]:
    """The file's object; {} where there is none that can be read."""
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_table(file: Path, data: dict[str, Any], what: str) -> None:
    """Put this in the file's place. what: begins the log's sentence where that cannot be done."""
    own = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(json.dumps(data, indent=1), encoding="utf-8")
        own.replace(file)
    except OSError as error:
        log.warning("%s cannot be kept: %s", what, error)
