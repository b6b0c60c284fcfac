"""Stock pipelines put together of parts in several files, for families whose folders run through the same classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerFast

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.parts import Part
from webui.engine.checkpoints.tokenizer_files import KnownTokenizer, tokenizer_for
from webui.engine.reading.base import Reader
from webui.engine.stock.model import StockModel
from webui.plugins.builtin.stock import stock_classes

_FLUX_SCALE = {"scaling_factor": 0.3611, "shift_factor": 0.1159}


def assembled(pipeline: Any, reader: Reader) -> StockModel:
    """A pipeline object, whose networks are on the device, as a model."""
    pipeline.set_progress_bar_config(disable=True)
    row = stock_classes()[type(pipeline).__name__]
    return StockModel(pipeline, row, reader.device, pipeline.transformer.dtype)


def wide(reader: Reader) -> torch.dtype:
    """The type for networks whose states overflow in fp16."""
    return torch.bfloat16 if reader.dtype == torch.float16 else reader.dtype


def flux_vae(part: Part, reader: Reader) -> nn.Module:
    """Flux.1's autoencoder for a pipeline, which asks it for the scale of its latents; files do not hold that."""
    own = {name: value for name in _FLUX_SCALE if (value := part.form.config.get(name)) is not None}
    return reader.network(part, dtype=wide(reader), config={**_FLUX_SCALE, **own})


def tokenizer_of(
    checkpoint: Checkpoint, folder_name: str, known: KnownTokenizer, **options: Any
) -> PreTrainedTokenizerFast:
    """A text encoder's tokenizer in the form that pipelines call; options: its special tokens, template and padding.

    Raises ModelProblem.
    """
    # Padding and cutting are switched on inside the object that it is given, which others use too.
    own = type(made := tokenizer_for(checkpoint, folder_name, known)).from_str(made.to_str())
    return PreTrainedTokenizerFast(tokenizer_object=own, **options)
