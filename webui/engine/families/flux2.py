"""Flux.2 in files of its parts: dev reads texts by Mistral Small, klein by Qwen3; both run as stock pipelines."""

from __future__ import annotations

from diffusers import Flux2KleinPipeline, Flux2Pipeline

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.chat_tokens import MISTRAL
from webui.engine.checkpoints.qwen3_tokens import QWEN3
from webui.engine.reading.base import Reader
from webui.engine.stock.assembled import assembled, tokenizer_of
from webui.engine.stock.model import StockModel

# The published scheduler's; how far it bends the noise levels the pipelines say.
_SCHEDULER = {"shift": 3.0, "use_dynamic_shifting": True}
# Of Mistral's layers those behind the last that is looked at are not read. Files that were made for Flux.2 end there.
_MISTRAL = {"num_hidden_layers": 30, "final_norm": False}
# How Mistral Small writes a talk, as far as texts go.
_MISTRAL_TALK = (
    "{{ bos_token }}{% for message in messages %}{% set text = message.content[0].text %}"
    "{% if message.role == 'system' %}[SYSTEM_PROMPT]{{ text }}[/SYSTEM_PROMPT]{% else %}[INST]{{ text }}[/INST]"
    "{% endif %}{% endfor %}"
)
# One turn with Qwen3, which shall answer without thinking.
_QWEN_TALK = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    # Templates lose a last line's end, but for one that is quoted.
    "<|im_start|>assistant\n<think>\n\n</think>\n{{ '\n' }}"
)


def load_dev(checkpoint: Checkpoint, reader: Reader) -> StockModel:
    """Load a checkpoint of Flux.2 dev's form. Raises ModelProblem."""
    tokenizer = tokenizer_of(
        checkpoint,
        MISTRAL,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        chat_template=_MISTRAL_TALK,
    )
    return assembled(Flux2Pipeline, checkpoint, reader, tokenizer, scheduler=_SCHEDULER, text_encoder=_MISTRAL)


def load_klein(checkpoint: Checkpoint, reader: Reader) -> StockModel:
    """Load a checkpoint of Flux.2 klein's form. Raises ModelProblem."""
    tokenizer = tokenizer_of(
        checkpoint,
        QWEN3,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="right",
        chat_template=_QWEN_TALK,
    )
    # Nothing in the weights tells a distilled model: a CFG scale of 1 switches guidance off in both.
    return assembled(Flux2KleinPipeline, checkpoint, reader, tokenizer, scheduler=_SCHEDULER)
