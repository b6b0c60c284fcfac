"""What each text encoder of a checkpoint is told of a prompt: tokens in their chunks, with their words. Torch-free.

A family's row names one of these functions as `read_tokens`; a family without one is counted as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import decoders

from webui.core.prompt.emphasis import fragments
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.t5_tokens import SD3_TOKENS, flux_tokens
from webui.engine.checkpoints.tokenizer_files import T5, local_tokenizer
from webui.engine.checkpoints.tokens import CHUNK, Chunk, Chunker, Reading, chunker_of

CLIP_L, CLIP_G, OPEN_CLIP, T5_NAME = "CLIP-L", "CLIP-G", "OpenCLIP", "T5-XXL"
_WORD_END = "</w>"


@dataclass(frozen=True, slots=True)
class ChunkRead:
    """Tokens that are encoded together. tokens: how many of its `room` places are taken. text: the words, as read."""

    tokens: int
    room: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class EncoderRead:
    """What one encoder is told. chunks: at least one. left: the tokens at the end that it is not told."""

    name: str
    chunks: tuple[ChunkRead, ...]
    left: int = 0


def read_sd(checkpoint: Checkpoint, text: str, reading: Reading) -> tuple[EncoderRead, ...]:
    """Stable Diffusion 1, 2 and XL: CLIP, in as many chunks as the text fills."""
    found = []
    for name in ("text_encoder", "text_encoder_2"):
        if name in checkpoint.parts:
            chunker = chunker_of(checkpoint, name.replace("text_encoder", "tokenizer"))
            chunks = tuple(_chunk(chunker, one) for one in chunker.chunks(text, reading))
            found.append(EncoderRead(_clip_name(checkpoint, name), chunks))
    return tuple(found)


def read_sd3(checkpoint: Checkpoint, text: str, reading: Reading) -> tuple[EncoderRead, ...]:
    """Stable Diffusion 3: two CLIPs that are told one chunk, and T5 where there is one."""
    clips = (_cut(checkpoint, name, text, reading) for name in ("text_encoder", "text_encoder_2"))
    return (*clips, *_t5(checkpoint, "_3", text, reading, SD3_TOKENS))


def read_flux(checkpoint: Checkpoint, text: str, reading: Reading) -> tuple[EncoderRead, ...]:
    """Flux.1: CLIP, which is told one chunk, and T5."""
    return (
        _cut(checkpoint, "text_encoder", text, reading),
        *_t5(checkpoint, "_2", text, reading, flux_tokens(checkpoint)),
    )


def _clip_name(checkpoint: Checkpoint, part: str) -> str:
    if part == "text_encoder_2":
        return CLIP_G
    return OPEN_CLIP if checkpoint.parts[part].form.facts.get("open_clip") else CLIP_L


def _cut(checkpoint: Checkpoint, part: str, text: str, reading: Reading) -> EncoderRead:
    chunker = chunker_of(checkpoint, part.replace("text_encoder", "tokenizer"))
    told = chunker.cut(text, reading)
    all_of_them = sum(len(chunker.tokens(words)) for words in _words(text, reading))
    return EncoderRead(_clip_name(checkpoint, part), (_chunk(chunker, told),), all_of_them - len(told.tokens))


def _t5(checkpoint: Checkpoint, end: str, text: str, reading: Reading, length: int) -> Iterable[EncoderRead]:
    tokenizer = local_tokenizer(checkpoint, f"tokenizer{end}", T5) if f"text_encoder{end}" in checkpoint.parts else None
    if tokenizer is None:
        # Nothing is fetched for a page that looks.
        return
    count = sum(len(tokenizer.encode(some, add_special_tokens=False).ids) for some in _words(text, reading))
    # One place is the end's.
    yield EncoderRead(T5_NAME, (ChunkRead(min(count, length - 1), length - 1),), max(0, count - length + 1))


def _words(text: str, reading: Reading) -> list[str]:
    return [one.text for one in fragments(text, reading.emphasis)]


def _chunk(chunker: Chunker, chunk: Chunk) -> ChunkRead:
    """The chunk's words as the vocabulary spells them: in small letters, marks apart from words."""
    embeddings = dict(chunk.learned)
    text, run, place = "", "", 0
    while place < len(chunk.tokens):
        embedding = embeddings.get(place)
        if embedding:
            text, run = f"{text}{_spoken(run)} {embedding.name} ", ""
        else:
            run += chunker.tokenizer.id_to_token(chunk.tokens[place]) or ""
        place += embedding.size if embedding else 1
    return ChunkRead(len(chunk.tokens), CHUNK, " ".join((text + _spoken(run)).split()))


def _spoken(spelled: str) -> str:
    # ByteLevel writes a blank as this letter.
    found: str = decoders.ByteLevel().decode([spelled.replace(_WORD_END, "\u0120")])
    return found
