"""Chroma in files of its parts: texts by T5 alone, Flux.1's autoencoder; it runs as a stock pipeline."""

from __future__ import annotations

from diffusers import ChromaPipeline

from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokenizer_files import T5
from webui.engine.reading.base import Reader
from webui.engine.stock.assembled import assembled, tokenizer_of
from webui.engine.stock.model import StockModel

# Flux.1's; how far it bends the noise levels the pipeline says.
_SCHEDULER = {"shift": 3.0, "use_dynamic_shifting": True}


def load(checkpoint: Checkpoint, reader: Reader) -> StockModel:
    """Load a checkpoint of Chroma's form. Raises ModelProblem."""
    tokenizer = tokenizer_of(
        checkpoint, T5, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", padding_side="right"
    )
    return assembled(ChromaPipeline, checkpoint, reader, tokenizer, scheduler=_SCHEDULER, scale=latent_scales.FLUX)
