"""Make Z-Image's transformers and the Qwen3 models that encode texts for them, without weights."""

from __future__ import annotations

from diffusers import ZImageTransformer2DModel
from transformers import Qwen3Config, Qwen3Model

from webui.engine.reading.builders_base import of_diffusers, of_transformers

z_image = of_diffusers(ZImageTransformer2DModel)
# Without the head that chooses words.
qwen3 = of_transformers(Qwen3Model, Qwen3Config)
