"""Count the tokens of prompts that a language model reads, as a turn of a talk or behind fixed words. Torch-free."""

from __future__ import annotations

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokenizer_files import KnownTokenizer, local_tokenizer
from webui.engine.checkpoints.tokens import CHUNK, clip_chunker

MISTRAL = KnownTokenizer(
    "mistral-tekken",
    "Mistral Small",
    "diffusers/flux2-bnb-4bit-modular/tokenizer/tokenizer.json",
    (
        "black-forest-labs/FLUX.2-dev/tokenizer",
        "diffusers/FLUX.2-dev-bnb-4bit/tokenizer",
        "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
    ),
    {"<s>": 1, "</s>": 2, "[INST]": 3, "[/INST]": 4, "<pad>": 11, "[SYSTEM_PROMPT]": 17, "[/SYSTEM_PROMPT]": 18},
)
"""Tekken, the vocabulary of Mistral Small 3.1 and 3.2."""

QWEN_VL = KnownTokenizer(
    "qwen2.5-vl",
    "Qwen2.5-VL",
    "Qwen/Qwen2.5-VL-7B-Instruct/tokenizer.json",
    ("Qwen/Qwen-Image/tokenizer", "Qwen/Qwen-Image-2512/tokenizer", "Qwen/Qwen2.5-7B-Instruct"),
    {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645},
)
"""The vocabulary of every size of Qwen2.5."""

GEMMA2 = KnownTokenizer(
    "gemma2",
    "Gemma 2",
    "Alpha-VLLM/Lumina-Image-2.0/tokenizer/tokenizer.json",
    ("google/gemma-2-2b", "google/gemma-2-2b-it", "google/gemma-2-9b"),
    {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<start_of_turn>": 106, "<end_of_turn>": 107},
)
"""The vocabulary of every size of Gemma 2; Gemma 3's has other numbers for the turns of a talk."""

FLUX2_LENGTH, QWEN_IMAGE_LENGTH, LUMINA2_LENGTH = 512, 1024, 256
"""To how many tokens a text is cut: with the words round it in Flux.2 and Lumina 2, without them in Qwen-Image."""

# What stands round a prompt, the system's words included, takes about so many tokens in Flux.2 dev and in Lumina 2.
_ROUND_IT, _BEFORE_IT = 34, 32


def count_flux2(checkpoint: Checkpoint, text: str) -> tuple[int, int]:
    """(tokens, room) of a prompt in Flux.2 dev; see `Family.count_tokens`."""
    return _count(checkpoint, text, MISTRAL, FLUX2_LENGTH - _ROUND_IT)


def count_qwen_image(checkpoint: Checkpoint, text: str) -> tuple[int, int]:
    """(tokens, room) of a prompt in Qwen-Image; see `Family.count_tokens`."""
    return _count(checkpoint, text, QWEN_VL, QWEN_IMAGE_LENGTH)


def count_lumina2(checkpoint: Checkpoint, text: str) -> tuple[int, int]:
    """(tokens, room) of a prompt in Lumina 2; see `Family.count_tokens`."""
    return _count(checkpoint, text, GEMMA2, LUMINA2_LENGTH - _BEFORE_IT)


def _count(checkpoint: Checkpoint, text: str, known: KnownTokenizer, room: int) -> tuple[int, int]:
    tokenizer = local_tokenizer(checkpoint, "tokenizer", known)
    if tokenizer is None:
        # Nothing is fetched for a counter; until the tokenizer is there it counts CLIP's tokens.
        return len(clip_chunker().tokens(text)), CHUNK
    return len(tokenizer.encode(text, add_special_tokens=False).ids), room
