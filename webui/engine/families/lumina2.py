"""Lumina 2 in files of its parts: texts by Gemma 2, Flux.1's autoencoder; it runs as a stock pipeline."""

from __future__ import annotations

from diffusers import Lumina2Pipeline

from webui.engine.checkpoints import latent_scales
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.chat_tokens import GEMMA2
from webui.engine.reading.base import Reader
from webui.engine.stock.assembled import assembled, tokenizer_of
from webui.engine.stock.model import StockModel

# The published scheduler's.
_SCHEDULER = {"shift": 6.0}


def load(checkpoint: Checkpoint, reader: Reader) -> StockModel:
    """Load a checkpoint of Lumina 2's form. Raises ModelProblem."""
    tokenizer = tokenizer_of(
        checkpoint, GEMMA2, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    )
    return assembled(Lumina2Pipeline, checkpoint, reader, tokenizer, scheduler=_SCHEDULER, scale=latent_scales.FLUX)
