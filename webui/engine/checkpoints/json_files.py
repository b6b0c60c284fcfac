"""Small JSON and YAML files of a checkpoint: configurations, sidecars, tables of split weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from webui.core.errors import ModelProblem

# The largest that models ship are tokenizers' tables of a few megabytes.
_MAX_BYTES = 64_000_000
# Reading YAML is slow: a megabyte takes seconds.
_MAX_YAML_BYTES = 200_000


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint. Raises ModelProblem with a sentence."""
    return _read(path, json.loads, "JSON", _MAX_BYTES)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping from a file beside a checkpoint; it can make no objects. Raises ModelProblem with a sentence."""
    return _read(path, yaml.safe_load, "YAML", _MAX_YAML_BYTES)


def _read(path: Path, parse: Callable[[str], Any], kind: str, most: int) -> dict[str, Any]:
    where = f"{path.parent.name}/{path.name}"
    try:
        if path.stat().st_size > most:
            raise ModelProblem(f"{where} is too large to be what it should be.", field="checkpoint")
        data = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelProblem(f"{where} is missing or cannot be read.", field="checkpoint") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ModelProblem(f"{where} is no {kind}.", field="checkpoint") from error
    if not isinstance(data, dict):
        raise ModelProblem(f"{where} is no {kind} object.", field="checkpoint")
    return data
