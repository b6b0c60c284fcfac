"""On a card an answer that is no numbers is found, and named, when the lane ends: no step waits for it."""

from __future__ import annotations

import pytest
import torch

from webui.core.errors import ExtensionProblem
from webui.engine.hooks import LaneHooks
from webui.plugins.calls import Bound
from webui.plugins.meter import Call, Meter


def test_broken_numbers_are_named_at_the_end() -> None:
    def breaking(latents: torch.Tensor, step: int) -> torch.Tensor | None:
        return latents / 0 if step == 1 else None

    call = Call("mine", "before_step", breaking, ("latents", "step"))
    hooks = LaneHooks({"before_step": [Bound(call, {}, Meter())]})
    latents = torch.ones(1, 4, 64, 64, device="cuda")
    for step in range(3):
        latents = hooks.before_step(latents, step, 1.0)
    with pytest.raises(ExtensionProblem, match="'mine' failed in before_step: its answer in step 2 is no numbers"):
        hooks.verify()
