"""What a sampler is: a generator that asks for predictions and returns the final latent."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Place:
    """The picture of a batch that alone is asked about: which, of how many, and the number of its own step from 0."""

    index: int
    count: int
    step: int


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of a sampler: what is the clean picture behind `x` at noise level `sigma`?

    x: (batch, channels, height/8, width/8) float32, in sigma space: clean latent + sigma * unit noise, or of a flow
    model (1 - sigma) * clean latent + sigma * unit noise. The loop may write into it at the first ask of a step, for
    hooks, so a sampler goes on from the tensor it asked with.
    sigma: noise level, a host float, so that nothing in the loop waits for the device.
    step: number of the step this ask belongs to, from 0. Samplers of second order ask twice with one number.
    """

    x: Tensor
    sigma: float
    step: int
    place: Place | None = None
    """Of the picture that alone is asked about, x then being a batch of one; None for all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The loop's answer: `denoised` after guidance; `uncond` without the prompt, or None when CFG is off."""

    denoised: Tensor
    uncond: Tensor | None = None


Sampling = Generator[Ask, Answer, Tensor]


class Noise(Protocol):
    """The noise of one lane; each picture of the batch draws from a generator of its own."""

    def normal(self) -> Tensor:
        """Unit noise (batch, channels, height/8, width/8), the next draw of each picture's generator."""
        ...

    def brownian(self, sigma: float, sigma_next: float) -> Tensor:
        """Unit-variance increment of each picture's Brownian motion between two noise levels."""
        ...


class ModelSchedule(Protocol):
    """The noise levels a model was trained on, and how they map to its timesteps."""

    @property
    def sigmas(self) -> Sequence[float]:
        """Rising, one for each training timestep (SD1: 1000 of them)."""
        ...

    sigma_min: float
    sigma_max: float
    flow: bool
    """Whether a noisy latent is (1 - sigma) * clean + sigma * noise, sigma_max 1, and not clean + sigma * noise."""
    aligned_as: str
    """Whose published tables of good levels (Align Your Steps) fit: "sd1", "sdxl" or "" where none do."""

    def timestep(self, sigma: float) -> float:
        """The (fractional) training timestep of a noise level: linear in log sigma between table entries."""
        ...

    def sigma(self, timestep: float) -> float:
        """The noise level of a (fractional) training timestep."""
        ...


Option = float | bool | str
"""The value of a sampler's option."""


@dataclass(frozen=True, slots=True)
class SamplerContext:
    """All that a sampler may use besides its latents.

    sigmas: falling noise levels as host floats; the last is usually 0. steps: what the person asked for.
    options: fields of the request, those that the sampler's row names (eta, s_churn, uni_pc_order, ...).
    own: all fields of the extension whose row it is, by their names, as the request has them.
    """

    sigmas: Sequence[float]
    steps: int
    noise: Noise
    model: ModelSchedule
    options: Mapping[str, Option] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str, default: float) -> float:
        """An option that is a number or a switch."""
        return float(self.options.get(name, default))

    def word(self, name: str, default: str) -> str:
        """An option that is one of some names."""
        return str(self.options.get(name, default))


SamplerFunction = Callable[[Tensor, SamplerContext], Sampling]
"""`x` comes scaled to the first sigma: unit noise * sigmas[0] for txt2img."""

ScheduleFunction = Callable[..., "list[float]"]
"""(steps, model, the options that its row names) -> steps + 1 falling noise levels; 0 last where it ends clean."""
