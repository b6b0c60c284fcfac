"""What an engine begins with: what its device's workers learnt before."""

from __future__ import annotations

from collections.abc import Callable

import torch

from webui.engine.config import EngineConfig
from webui.engine.device import left_by_others, memory
from webui.engine.learnt import Learnt
from webui.engine.memory.ladder import Ladder, Shape
from webui.engine.overflows import Overflows


def remembering(
    config: EngineConfig, device: torch.device, dtype: torch.dtype, on_try: Callable[[Shape], None]
) -> tuple[Ladder, Overflows]:
    """What ran out of memory, and what overflowed in these dtypes. on_try: see `Ladder`."""
    learnt = Learnt(config.cache_dir, device)
    return Ladder(on_try, learnt, lambda: left_by_others(device), memory(device)[1]), Overflows(
        learnt, {"denoiser": str(dtype), "vae": f"{dtype}, {config.vae_precision}"}
    )
