"""A captioner in form only, written without torch: it is listed and accepted, and can describe nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


def write_sham(folder: Path) -> Path:
    """Write it there; the folder."""
    folder.mkdir(parents=True)
    for name, data in (
        ("config.json", {"architectures": ["BlipForConditionalGeneration"]}),
        ("preprocessor_config.json", {}),
        ("tokenizer.json", {}),
    ):
        (folder / name).write_text(json.dumps(data), encoding="utf-8")
    save_file({"weight": np.zeros(4, np.float16)}, folder / "model.safetensors")
    return folder
