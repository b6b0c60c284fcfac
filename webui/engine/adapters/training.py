"""What the training of an adapter wrote into its file: how it was trained, and how often which tag was. Torch-free."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webui.engine.checkpoints.headers.read import read_header

MOST_TAGS = 60
_LONGEST, _LONGEST_TAG = 200, 100
_MOST_LETTERS = 5_000_000
"""Of the text with all tags; a longer one is left unread."""

_SAID = {
    "name": ("ss_output_name",),
    "base_model": ("ss_sd_model_name", "ss_base_model_version"),
    "network": ("ss_network_module",),
    "dim": ("ss_network_dim",),
    "alpha": ("ss_network_alpha",),
    "resolution": ("ss_resolution",),
    "clip_skip": ("ss_clip_skip",),
    "images": ("ss_num_train_images",),
    "epochs": ("ss_epoch", "ss_num_epochs"),
    "steps": ("ss_steps", "ss_max_train_steps"),
}
"""kohya's keys of what is told, the first that says something; other programs write them too."""
_TIMES = ("ss_training_finished_at", "ss_training_started_at")
_TAGS = "ss_tag_frequency"
_NOTHING = ("", "none", "null", "{}")


@dataclass(frozen=True, slots=True)
class Training:
    """said: by short names, without any folder of who trained it. tags: the most frequent ones, with how often."""

    said: Mapping[str, str]
    tags: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; {} where nothing is said."""
        if not self.said and not self.tags:
            return {}
        return {**self.said, "tags": [{"tag": tag, "count": count} for tag, count in self.tags]}


def training_of(path: Path) -> Training:
    """What stands in a file's header; nothing in one of another form. Raises ModelProblem for a damaged file."""
    return read_training(read_header(path).metadata)


def read_training(metadata: Mapping[str, str]) -> Training:
    """The same of a header's metadata, whatever they are."""
    said: dict[str, str] = {}
    for name, keys in _SAID.items():
        found = (" ".join(metadata.get(key, "").split()) for key in keys)
        text = next((one for one in found if one.casefold() not in _NOTHING), "")
        if text:
            # Trainers write the path that the model had on their machine.
            shown = text.replace("\\", "/").rpartition("/")[2] if name == "base_model" else text
            said[name] = shown[:_LONGEST]
    trained = next((day for key in _TIMES if (day := _day(metadata.get(key, "")))), "")
    return Training(said | ({"trained": trained} if trained else {}), _tags(metadata.get(_TAGS, "")))


def _day(seconds: str) -> str:
    try:
        return datetime.fromtimestamp(float(seconds), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def _tags(text: str) -> tuple[tuple[str, int], ...]:
    """kohya's counts of each folder of pictures, added up; of equal counts the first in the alphabet first."""
    try:
        data = json.loads(text) if 0 < len(text) <= _MOST_LETTERS else {}
    except (ValueError, RecursionError):
        return ()
    counts: Counter[str] = Counter()
    for folder in data.values() if isinstance(data, dict) else ():
        for tag, count in folder.items() if isinstance(folder, dict) else ():
            is_count = isinstance(count, int | float) and not isinstance(count, bool) and math.isfinite(count)
            name = " ".join(tag.split())
            if is_count and 0 < count < 1e9 and 0 < len(name) <= _LONGEST_TAG:
                counts[name] += int(count)
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0].casefold()))[:MOST_TAGS])
