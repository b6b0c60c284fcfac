"""Qwen-Image in files of its parts: texts by the language model of Qwen2.5-VL; it runs as a stock pipeline."""

from __future__ import annotations

from diffusers import QwenImagePipeline

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.chat_tokens import QWEN_VL
from webui.engine.reading.base import Reader
from webui.engine.stock.assembled import assembled, tokenizer_of
from webui.engine.stock.model import StockModel

# The published scheduler's.
_SCHEDULER = {
    "use_dynamic_shifting": True,
    "base_shift": 0.5,
    "max_shift": 0.9,
    "base_image_seq_len": 256,
    "max_image_seq_len": 8192,
    "shift_terminal": 0.02,
}


def load(checkpoint: Checkpoint, reader: Reader) -> StockModel:
    """Load a checkpoint of Qwen-Image's form. Raises ModelProblem."""
    tokenizer = tokenizer_of(
        checkpoint, QWEN_VL, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="right"
    )
    return assembled(QwenImagePipeline, checkpoint, reader, tokenizer, scheduler=_SCHEDULER)
