"""How many of T5's tokens a prompt takes in the models that read it; for the page's counter. Torch-free."""

from __future__ import annotations

from webui.core.prompt.emphasis import fragments
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokenizer_files import T5, local_tokenizer
from webui.engine.checkpoints.tokens import CHUNK, chunker_of

SD3_TOKENS = 256
CHROMA_TOKENS = 512
FLUX_TOKENS = {True: 512, False: 256}
"""By whether guidance is embedded: dev was trained with longer texts than schnell."""


def count_sd3(checkpoint: Checkpoint, text: str) -> tuple[int, int]:
    """(tokens, room) of a prompt in Stable Diffusion 3; see `Family.count_tokens`."""
    return _count(checkpoint, text, "_3", SD3_TOKENS)


def count_flux(checkpoint: Checkpoint, text: str) -> tuple[int, int]:
    """(tokens, room) of a prompt in Flux.1; see `Family.count_tokens`."""
    return _count(checkpoint, text, "_2", flux_tokens(checkpoint))


def count_chroma(checkpoint: Checkpoint, text: str) -> tuple[int, int]:
    """(tokens, room) of a prompt in Chroma; see `Family.count_tokens`."""
    tokenizer = local_tokenizer(checkpoint, "tokenizer", T5)
    if tokenizer is None:
        return len(chunker_of(checkpoint).tokens(text)), CHUNK
    return len(tokenizer.encode(text, add_special_tokens=False).ids), CHROMA_TOKENS - 1


def flux_tokens(checkpoint: Checkpoint) -> int:
    """To how many tokens this model's texts are padded or cut."""
    return FLUX_TOKENS[bool(checkpoint.parts["transformer"].form.facts["guidance"])]


def _count(checkpoint: Checkpoint, text: str, end: str, length: int) -> tuple[int, int]:
    there = f"text_encoder{end}" in checkpoint.parts
    # Nothing is fetched for a counter; until the tokenizer is there, or without T5, it counts CLIP's tokens.
    tokenizer = local_tokenizer(checkpoint, f"tokenizer{end}", T5) if there else None
    words = [part.text for part in fragments(text)]
    if tokenizer is None:
        return sum(len(chunker_of(checkpoint).tokens(some)) for some in words), CHUNK
    # One place is the end's.
    return sum(len(tokenizer.encode(some, add_special_tokens=False).ids) for some in words), length - 1
