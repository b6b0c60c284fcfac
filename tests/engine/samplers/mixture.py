"""Data that is a mixture of three normal distributions: its denoiser, and where its noise-free paths end."""

from __future__ import annotations

import math

import torch
from scipy import integrate
from torch import Tensor

# Of each component: its share, its mean in three dimensions (the channels), and its spread.
SHARES = torch.tensor([0.5, 0.3, 0.2])
MEANS = torch.tensor([[1.5, -0.5, 0.0], [-1.0, 1.0, 0.5], [0.0, 0.5, -2.0]])
SPREADS = torch.tensor([0.4, 0.3, 0.6])


def denoise(x: Tensor, sigma: float) -> Tensor:
    """The mean of the clean points given the noisy ones, (batch, 3, height, width)."""
    points = x.movedim(1, -1).unsqueeze(-2).double()
    variances = (SPREADS**2 + sigma**2).double()
    distances = ((points - MEANS) ** 2).sum(-1)
    logs = SHARES.log() - 1.5 * variances.log() - distances / (2 * variances)
    kept = (SPREADS**2 / variances).unsqueeze(-1)
    centres = MEANS + kept * (points - MEANS)
    mean = (torch.softmax(logs, -1).unsqueeze(-1) * centres).sum(-2)
    return mean.movedim(-1, 1).to(x.dtype)


def exact(x: Tensor, sigma: float, end: float, tolerance: float = 1e-9) -> Tensor:
    """Where the noise-free paths through x end, by a Runge-Kutta method of order 8 in log sigma."""

    def slope(log_sigma: float, flat) -> Tensor:
        latent = torch.from_numpy(flat).reshape(x.shape)
        return (latent - denoise(latent, math.exp(log_sigma))).reshape(-1).numpy()

    spans = (math.log(sigma), math.log(end))
    solved = integrate.solve_ivp(slope, spans, x.double().reshape(-1).numpy(), "DOP853", rtol=tolerance, atol=tolerance)
    return torch.from_numpy(solved.y[:, -1]).reshape(x.shape)
