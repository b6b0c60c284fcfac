"""The noise levels of a model that was trained on discrete timesteps, and the way between the two."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import mul

ZERO_SNR_ALPHA = 4.8973451890853435e-08
"""What stands for an alpha of 0 (models trained to pure noise), so that its sigma, about 4518, stays finite."""


class DiscreteSchedule:
    """A `ModelSchedule` (samplers/base.py) made from the model's cumulated alphas, one for each training timestep.

    sigma = sqrt((1 - alpha) / alpha), where alpha is the share of the clean picture's variance that is left.
    Between two timesteps log sigma is linear. Immutable; all values are host floats.
    """

    flow = False

    def __init__(self, alphas_cumprod: Sequence[float], aligned_as: str = "sd1") -> None:
        """alphas_cumprod: falling, in (0, 1), or 0 for the last; at least two. Raises ValueError for anything else."""
        self.aligned_as = aligned_as
        alphas = [max(float(alpha), ZERO_SNR_ALPHA) for alpha in alphas_cumprod]
        self.sigmas: tuple[float, ...] = tuple(math.sqrt((1.0 - alpha) / alpha) for alpha in alphas)
        if len(alphas) < 2 or self.sigmas[0] <= 0 or any(b <= a for a, b in pairwise(self.sigmas)):
            raise ValueError("The cumulated alphas must fall from below 1 towards 0, one for each training timestep.")
        self._logs = [math.log(sigma) for sigma in self.sigmas]
        self.sigma_min = self.sigmas[0]
        self.sigma_max = self.sigmas[-1]

    @classmethod
    def scaled_linear(
        cls,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        count: int = 1000,
        *,
        zero_snr: bool = False,
        aligned_as: str = "sd1",
    ) -> DiscreteSchedule:
        """The schedule whose betas have evenly spaced square roots; the defaults are those of SD1, SD2 and SDXL.

        zero_snr: shift and stretch it so that it ends in pure noise (algorithm 1 of "Common Diffusion Noise Schedules
        and Sample Steps are Flawed", arXiv 2305.08891).
        """
        first, last = math.sqrt(beta_start), math.sqrt(beta_end)
        roots = (first + (last - first) * index / (count - 1) for index in range(count))
        alphas = list(accumulate((1.0 - root * root for root in roots), mul))
        if zero_snr:
            signals = [math.sqrt(alpha) for alpha in alphas]
            stretch = signals[0] / (signals[0] - signals[-1])
            alphas = [((signal - signals[-1]) * stretch) ** 2 for signal in signals]
        return cls(alphas, aligned_as)

    def timestep(self, sigma: float) -> float:
        """The training timestep, 0 to len(sigmas) - 1, of a noise level; levels outside the table get its ends."""
        if sigma <= self.sigma_min:
            return 0.0
        if sigma >= self.sigma_max:
            return float(len(self.sigmas) - 1)
        log = math.log(sigma)
        low = min(bisect_right(self._logs, log) - 1, len(self._logs) - 2)
        return low + (log - self._logs[low]) / (self._logs[low + 1] - self._logs[low])

    def sigma(self, timestep: float) -> float:
        """The noise level of a training timestep, fractions included; timesteps outside the table get its ends."""
        timestep = min(max(timestep, 0.0), len(self.sigmas) - 1)
        low = int(timestep)
        share = timestep - low
        if share == 0.0:
            return self.sigmas[low]
        return math.exp((1.0 - share) * self._logs[low] + share * self._logs[low + 1])


class FlowSchedule:
    """A `ModelSchedule` of a flow model: time t from 0 to 1, bent towards noise by `shift`.

    sigma = shift * t / (1 + (shift - 1) * t) (equation 23 of the SD3 paper, arXiv 2403.03206). Timestep n of `count`
    is the time (n + 1) / count. Immutable.
    """

    flow = True
    aligned_as = ""

    def __init__(self, shift: float = 1.0, count: int = 1000) -> None:
        """shift: above 0; 1 leaves the times as they are."""
        self.shift = shift
        self.sigmas: tuple[float, ...] = tuple(self._bend((index + 1) / count) for index in range(count))
        self.sigma_min = self.sigmas[0]
        self.sigma_max = self.sigmas[-1]

    def timestep(self, sigma: float) -> float:
        """The training timestep, 0 to len(sigmas) - 1, of a noise level; levels outside the table get its ends."""
        sigma = min(max(sigma, self.sigma_min), self.sigma_max)
        return sigma / (self.shift - (self.shift - 1.0) * sigma) * len(self.sigmas) - 1.0

    def sigma(self, timestep: float) -> float:
        """The noise level of a training timestep, fractions included; timesteps outside the table get its ends."""
        return self._bend((min(max(timestep, 0.0), len(self.sigmas) - 1) + 1.0) / len(self.sigmas))

    def _bend(self, time: float) -> float:
        return self.shift * time / (1.0 + (self.shift - 1.0) * time)
