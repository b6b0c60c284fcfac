"""What the training stages share: the plan by steps or by the clock, the averaged weights, the saved state."""

from __future__ import annotations

import csv
import logging
import math
import time
from pathlib import Path

import torch
from torch import nn

log = logging.getLogger(__name__)


class Plan:
    """How far a stage has come, from 0 to 1, by steps (repeatable) or by minutes (for a given patience)."""

    def __init__(self, steps: int | None, minutes: float | None) -> None:
        self.steps, self.minutes = steps, minutes
        self.step = 0
        self.before = 0.0
        self.start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds trained, earlier runs included."""
        return self.before + time.monotonic() - self.start

    @property
    def part(self) -> float:
        """The part done, 0 to 1."""
        if self.minutes is not None:
            return min(1.0, self.seconds / 60 / self.minutes)
        return min(1.0, self.step / max(1, self.steps or 1))

    @property
    def done(self) -> bool:
        """Whether the stage has had its steps or its time."""
        return self.part >= 1.0


def cosine(part: float, hold: float = 0.0, last: float = 0.02) -> float:
    """The factor on the learning rate: flat until `hold`, then half a cosine wave down to `last`."""
    if part < hold:
        return 1.0
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * (part - hold) / (1 - hold)))


class Average:
    """An exponential moving average of a module's parameters, warmed up over the first steps."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.count = 0
        self.weights = {k: v.detach().clone() for k, v in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Takes in the module's present weights."""
        self.count += 1
        rate = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        own = list(self.weights.values())
        torch._foreach_lerp_(own, [p.detach() for p in module.parameters()], rate)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Writes the averaged weights into `module`."""
        for name, parameter in module.named_parameters():
            parameter.copy_(self.weights[name])


class State:
    """A stage's resumable state in one file: module, average, optimizer, plan."""

    def __init__(self, path: Path, every: float = 90.0) -> None:
        self.path, self.every = path, every
        self.saved = time.monotonic()

    def load(self, module: nn.Module, average: Average, optimizer: torch.optim.Optimizer, plan: Plan) -> bool:
        """Goes on where the file stopped; false when there is none."""
        if not self.path.exists():
            return False
        data = torch.load(self.path, weights_only=True)
        module.load_state_dict(data["module"])
        optimizer.load_state_dict(data["optimizer"])
        average.weights = data["average"]
        average.count = plan.step = data["step"]
        plan.before = data["seconds"]
        log.info("%s: goes on at step %d", self.path.name, plan.step)
        return True

    def save(self, module: nn.Module, average: Average, optimizer: torch.optim.Optimizer, plan: Plan) -> None:
        """Writes the file, whole or not at all."""
        data = {
            "module": module.state_dict(),
            "average": average.weights,
            "optimizer": optimizer.state_dict(),
            "step": plan.step,
            "seconds": plan.seconds,
        }
        temporary = self.path.with_suffix(".part")
        torch.save(data, temporary)
        temporary.replace(self.path)
        self.saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self.saved > self.every


def note(path: Path, row: dict[str, float]) -> None:
    """Adds a row to a stage's CSV of figures and to the log."""
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if fresh:
            writer.writeheader()
        writer.writerow(row)
    log.info("%s %s", path.stem, " ".join(f"{k}={v:.4g}" for k, v in row.items()))
