"""Darkroom: a Stable Diffusion web UI whose web process never imports torch."""

__version__ = "0.1.0"
