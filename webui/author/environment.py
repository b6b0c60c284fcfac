"""The environment of programs that are started for an author: the house is among what they can import."""

from __future__ import annotations

import os

from webui.core.paths import PROGRAM_DIR


def with_house(**variables: str) -> dict[str, str]:
    """This process's environment with these variables, wherever the program was started from."""
    paths = os.pathsep.join(filter(None, (str(PROGRAM_DIR), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": paths, **variables}
