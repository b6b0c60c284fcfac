"""What a family's loader is given to read its networks with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import nn

from webui.engine.checkpoints.parts import Part


class Reader(Protocol):
    """Brings the networks of a checkpoint into memory; one that is there already, for another model, is shared."""

    device: torch.device
    dtype: torch.dtype
    """What networks compute in, if their family does not ask for another type."""

    def network(
        self, part: Part, *, dtype: torch.dtype | None = None, config: Mapping[str, Any] | None = None
    ) -> nn.Module:
        """The network of a part, in eval mode on the device, without gradients. Nobody may change it.

        config: values that count instead of the form's own. Raises ModelProblem when it cannot be read.
        """
        ...


def wide(reader: Reader) -> torch.dtype:
    """The type for networks whose states overflow in fp16."""
    return torch.bfloat16 if reader.dtype == torch.float16 else reader.dtype
