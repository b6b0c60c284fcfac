"""Qwen3's tokens: a prompt as the user's turn of a talk, and how many tokens that takes. Torch-free."""

from __future__ import annotations

from tokenizers import Tokenizer

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokenizer_files import KnownTokenizer, local_tokenizer
from webui.engine.checkpoints.tokens import CHUNK, clip_chunker

QWEN3 = KnownTokenizer(
    "qwen3",
    "Qwen3",
    "Qwen/Qwen3-4B/tokenizer.json",
    (
        "Tongyi-MAI/Z-Image-Turbo/tokenizer",
        "Tongyi-MAI/Z-Image/tokenizer",
        "Qwen/Qwen3-0.6B",
        "Qwen/Qwen3-8B",
    ),
    {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645},
)
"""The vocabulary of every size of Qwen3."""

LENGTH = 512
"""To how many tokens a text is cut, the words round it included."""


def prompt_tokens(tokenizer: Tokenizer, text: str) -> list[int]:
    """The tokens of a prompt, at most `LENGTH`: Qwen3's chat template of one turn, after which it may think."""
    return _tokens(tokenizer, text)[:LENGTH]


def count_prompt(checkpoint: Checkpoint, text: str) -> tuple[int, int]:
    """(tokens, room) of a prompt; see `Family.count_tokens`."""
    tokenizer = local_tokenizer(checkpoint, "tokenizer", QWEN3)
    if tokenizer is None:
        # Nothing is fetched for a counter; until the tokenizer is there it counts CLIP's tokens.
        return len(clip_chunker().tokens(text)), CHUNK
    round_it = len(_tokens(tokenizer, ""))
    return len(_tokens(tokenizer, text)) - round_it, LENGTH - round_it


def _tokens(tokenizer: Tokenizer, text: str) -> list[int]:
    talk = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    numbers: list[int] = tokenizer.encode(talk, add_special_tokens=False).ids
    return numbers
