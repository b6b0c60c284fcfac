"""`python -m webui.engine.probe DEVICE ...`: what torch finds on this machine, as one JSON object on stdout.

A program of its own, so that a broken torch cannot take its caller along and the caller never imports torch.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any

import torch

from webui.core.errors import WorkerProblem
from webui.engine.device import choose_device, choose_dtype, describe_device, memory


def main() -> None:
    """Write the findings."""
    found = {
        "torch": torch.__version__,
        "devices": [_device(name) for name in sys.argv[1:] or ["auto"]],
        "cuda_devices": torch.cuda.device_count(),
        "cuda": torch.version.cuda or torch.version.hip,
        "xformers": importlib.util.find_spec("xformers") is not None,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _device(name: str) -> dict[str, Any]:
    """The device of this name; `problem` says why it cannot be used."""
    try:
        device = choose_device(name)
    except WorkerProblem as problem:
        return {"device": name, "problem": problem.detail}
    free, total = memory(device)
    return {
        "device": str(device),
        "problem": "",
        "name": describe_device(device),
        "precision": str(choose_dtype("auto", device)).removeprefix("torch."),
        "free_bytes": free,
        "total_bytes": total,
    }


if __name__ == "__main__":
    main()
