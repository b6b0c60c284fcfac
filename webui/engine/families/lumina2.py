"""Lumina 2 in files of its parts: texts by Gemma 2, Flux.1's autoencoder; it runs as a stock pipeline."""

from __future__ import annotations

from diffusers import FlowMatchEulerDiscreteScheduler, Lumina2Pipeline

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.chat_tokens import GEMMA2
from webui.engine.reading.base import Reader
from webui.engine.stock.assembled import assembled, flux_vae, tokenizer_of, wide
from webui.engine.stock.model import StockModel

# The published scheduler's.
_SCHEDULER = {"shift": 6.0}


def load(checkpoint: Checkpoint, reader: Reader) -> StockModel:
    """Load a checkpoint of Lumina 2's form. Raises ModelProblem."""
    parts, dtype = checkpoint.parts, wide(reader)
    tokenizer = tokenizer_of(
        checkpoint, "tokenizer", GEMMA2, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    )
    pipeline = Lumina2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler.from_config(checkpoint.scheduler or _SCHEDULER),
        vae=flux_vae(parts["vae"], reader),
        text_encoder=reader.network(parts["text_encoder"], dtype=dtype),
        tokenizer=tokenizer,
        transformer=reader.network(parts["transformer"], dtype=dtype),
    )
    return assembled(pipeline, reader)
