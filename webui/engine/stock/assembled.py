"""Stock pipelines put together of parts in several files, for families whose folders run through the same classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from diffusers import FlowMatchEulerDiscreteScheduler
from transformers import PreTrainedTokenizerFast

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.latent_scales import Scale
from webui.engine.checkpoints.tokenizer_files import KnownTokenizer, tokenizer_for
from webui.engine.reading.base import Reader, wide
from webui.engine.stock.model import StockModel
from webui.plugins.builtin.stock import stock_classes


def assembled(
    make: Callable[..., Any],
    checkpoint: Checkpoint,
    reader: Reader,
    tokenizer: PreTrainedTokenizerFast,
    *,
    scheduler: Mapping[str, Any],
    scale: Scale | None = None,
    text_encoder: Mapping[str, Any] = MappingProxyType({}),
) -> StockModel:
    """The checkpoint's networks in a pipeline of the class `make`, as a model.

    scheduler: the configuration where the checkpoint has none. scale: of latents, for pipelines that ask
    the autoencoder for it; its own configuration counts more. text_encoder: values that count instead of its own.

    Raises ModelProblem.
    """
    parts, dtype = checkpoint.parts, wide(reader)
    own, told = parts["vae"].form.config, scale._asdict() if scale else {}
    lacking = {name: value for name, value in told.items() if own.get(name) is None}
    pipeline = make(
        scheduler=FlowMatchEulerDiscreteScheduler.from_config(checkpoint.scheduler or scheduler),
        vae=reader.network(parts["vae"], dtype=dtype, config=lacking),
        text_encoder=reader.network(parts["text_encoder"], dtype=dtype, config=text_encoder),
        tokenizer=tokenizer,
        transformer=reader.network(parts["transformer"], dtype=dtype),
    )
    pipeline.set_progress_bar_config(disable=True)
    row = stock_classes()[type(pipeline).__name__]
    return StockModel(pipeline, row, reader.device, pipeline.transformer.dtype)


def tokenizer_of(checkpoint: Checkpoint, known: KnownTokenizer, **options: Any) -> PreTrainedTokenizerFast:
    """The tokenizer in the form that pipelines call; options: its special tokens, template and padding.

    Raises ModelProblem.
    """
    # Padding and cutting are switched on inside the object that it is given, which others use too.
    own = type(made := tokenizer_for(checkpoint, "tokenizer", known)).from_str(made.to_str())
    return PreTrainedTokenizerFast(tokenizer_object=own, **options)
