"""`python -m webui.engine.probe`: what torch finds on this machine, as one JSON object on stdout.

A program of its own, so that a broken torch cannot take its caller along and the caller never imports torch.
"""

from __future__ import annotations

import importlib.util
import json
import sys

import torch

from webui.engine.device import choose_device, choose_dtype, describe_device, memory


def main() -> None:
    """Write the findings."""
    device = choose_device("auto")
    free, total = memory(device)
    found = {
        "torch": torch.__version__,
        "device": str(device),
        "name": describe_device(device),
        "precision": str(choose_dtype("auto", device)).removeprefix("torch."),
        "free_bytes": free,
        "total_bytes": total,
        "cuda": torch.version.cuda or torch.version.hip,
        "xformers": importlib.util.find_spec("xformers") is not None,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
