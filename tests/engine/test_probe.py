"""The probe is a program that says in JSON what torch finds."""

from __future__ import annotations

import json
import subprocess
import sys

import torch

from webui.core.paths import PROGRAM_DIR


def test_it_says_what_torch_finds() -> None:
    command = [sys.executable, "-m", "webui.engine.probe"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROGRAM_DIR)
    found = json.loads(done.stdout)
    assert found["torch"] == torch.__version__
    assert found["device"].startswith("cuda" if torch.cuda.is_available() else ("cpu", "mps"))
    assert 0 < found["free_bytes"] <= found["total_bytes"]
