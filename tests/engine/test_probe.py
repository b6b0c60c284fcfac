"""The probe is a program that says in JSON what torch finds."""

from __future__ import annotations

import json
import subprocess
import sys

import torch

from webui.core.paths import PROGRAM_DIR


def test_it_says_what_torch_finds() -> None:
    command = [sys.executable, "-m", "webui.engine.probe", "auto", "cuda:99", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROGRAM_DIR)
    found = json.loads(done.stdout)
    assert found["torch"] == torch.__version__ and found["cuda_devices"] == torch.cuda.device_count()
    best, missing, cpu = found["devices"]
    assert best["device"].startswith("cuda" if torch.cuda.is_available() else ("cpu", "mps"))
    assert 0 < best["free_bytes"] <= best["total_bytes"]
    assert missing["device"] == "cuda:99" and "is not there" in missing["problem"]
    assert cpu["device"] == "cpu" and not cpu["problem"]
