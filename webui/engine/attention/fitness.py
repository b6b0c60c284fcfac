"""Whether an attention backend can serve here, as far as its row and the installed packages tell. Torch-free."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from webui.core.registry import AttentionBackend
from webui.plugins.installed import not_installed

_DEVICES: Mapping[str, str] = MappingProxyType({"cuda": "a CUDA or ROCm card", "mps": "an Apple GPU", "cpu": "the CPU"})


def unfit(row: AttentionBackend, devices: Collection[str]) -> str:
    """Why it can serve on none of these kinds of device ("cuda"): the end of a sentence that begins with its title.

    "" where nothing speaks against it. What only a trial shows, the worker finds out (`Backends.ready`).
    """
    wrong = [wrong_device(row, device) for device in devices]
    return wrong[0] if wrong and all(wrong) else not_installed(row)


def wrong_device(row: AttentionBackend, device: str) -> str:
    """Why it cannot serve on this kind of device, "" where it can."""
    if not row.devices or device in row.devices:
        return ""
    wanted = " or ".join(_DEVICES.get(kind, kind) for kind in row.devices)
    return f"it needs {wanted}, and this is {_DEVICES.get(device, device)}"
