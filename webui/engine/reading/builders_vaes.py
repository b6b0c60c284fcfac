"""Make the autoencoders of later families from their configurations, without weights."""

from __future__ import annotations

from diffusers import AutoencoderKLFlux2, AutoencoderKLQwenImage

from webui.engine.reading.builders_base import of_diffusers

flux2 = of_diffusers(AutoencoderKLFlux2)
qwen_image = of_diffusers(AutoencoderKLQwenImage)
