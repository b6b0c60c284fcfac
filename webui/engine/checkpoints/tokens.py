"""Cut prompts into CLIP's chunks of 75 tokens; the page's counter and the text encoder share this. Torch-free."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from webui.core.errors import ModelProblem
from webui.core.prompt.emphasis import ORIGINAL, Fragment, fragments
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.json_files import read_json
from webui.engine.checkpoints.words import NO_WORDS, Learned, Words

CHUNK = 75
PLACEHOLDER = 0
"""The token that stands where an embedding's vectors go, as in A1111."""
COMMA_REACH = 20
"""A comma at most this many tokens before a full chunk's end ends the chunk, so that phrases stay together (A1111)."""

_CLIP_MERGES = Path(__file__).parents[1] / "data" / "clip" / "merges.txt"
_START, _END = "<|startoftext|>", "<|endoftext|>"
# CLIP's cut: contractions, letters together, digits alone, the rest together.
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


_Piece = tuple[int | Learned, float]
_Token = _Piece | None
"""A token's number, or an embedding, with its weight; None ends a chunk."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text is read: how weights are used (core/prompt/emphasis.py), how near a comma ends a full chunk, and which
    words are embeddings."""

    emphasis: str = ORIGINAL
    comma_padding_backtrack: int = COMMA_REACH
    words: Words = NO_WORDS


READING: Final = Reading()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens that are encoded together, each with its weight. learned: the embeddings with the place of their first
    vector; the tokens there are placeholders."""

    tokens: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    learned: tuple[tuple[int, Learned], ...] = ()


@dataclass(frozen=True)
class Chunker:
    """The tokenizer of one checkpoint, with the numbers of its special tokens."""

    tokenizer: Tokenizer
    start: int
    end: int
    pad: int
    comma: int | None

    def tokens(self, text: str) -> list[int]:
        """The token numbers of `text`, without start and end."""
        numbers: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return numbers

    def chunks(self, text: str, reading: Reading = READING) -> list[Chunk]:
        """The text's tokens in chunks of at most 75, at least one; see `padded` for what the encoder takes."""
        pieces = self._weighted(fragments(text, reading.emphasis), reading.words)
        return split(pieces, self.comma, reading.comma_padding_backtrack)

    def cut(self, text: str, reading: Reading = READING) -> Chunk:
        """The text's first 75 tokens, whatever BREAK says; embeddings are words."""
        pieces = self._weighted(fragments(text, reading.emphasis), NO_WORDS)
        return _chunk([piece for piece in pieces if piece is not None][:CHUNK])

    def padded(self, chunk: Chunk) -> Chunk:
        """A chunk as the text encoder takes it: start, tokens, end, padding; 77 numbers."""
        rest = CHUNK - len(chunk.tokens)
        return Chunk(
            (self.start, *chunk.tokens, self.end, *[self.pad] * rest),
            (1.0, *chunk.weights, 1.0, *[1.0] * rest),
            tuple((place + 1, one) for place, one in chunk.learned),
        )

    def _weighted(self, parts: Iterable[Fragment], words: Words) -> Iterator[_Token]:
        for part in parts:
            if part.ends_chunk:
                yield None
            else:
                pieces = words.placed(self.tokens(part.text), self.tokens, self.tokenizer)
                yield from ((piece, part.weight) for piece in pieces)


def split(tokens: Iterable[_Token], comma: int | None, reach: int = COMMA_REACH) -> list[Chunk]:
    """Tokens in chunks of at most 75, at least one; None ends one.

    Where one is full, what follows a comma at most `reach` tokens before its end moves to the next; 0 is never. An
    embedding that finds too little room begins the next, however near a comma is, as in A1111.
    """
    chunks: list[list[_Piece]] = [[]]
    taken = 0
    last: tuple[int, int] | None = None
    """Which piece of the newest chunk is its last comma, and the place that it takes."""
    for token in tokens:
        if token is None:
            chunks.append([])
            taken, last = 0, None
            continue
        full, size = chunks[-1], _size(token)
        moved: list[_Piece] = []
        if token[0] == comma:
            last = len(full), taken
        elif taken == CHUNK and last is not None and CHUNK - last[1] <= reach:
            moved = full[last[0] + 1 :]
            del full[last[0] + 1 :]
        if moved or taken + size > CHUNK:
            chunks.append(moved)
            taken, last = sum(map(_size, moved)), None
        if taken + size > CHUNK:
            chunks.append([])
            taken = 0
        chunks[-1].append(token)
        taken += size
    if not chunks[-1] and len(chunks) > 1:
        chunks.pop()
    return [_chunk(one) for one in chunks]


def _size(piece: _Piece) -> int:
    return piece[0].size if isinstance(piece[0], Learned) else 1


def _chunk(pieces: Iterable[_Piece]) -> Chunk:
    numbers: list[int] = []
    weights: list[float] = []
    learned: list[tuple[int, Learned]] = []
    for piece in pieces:
        token, size = piece[0], _size(piece)
        if isinstance(token, Learned):
            learned.append((len(numbers), token))
        numbers += [PLACEHOLDER if isinstance(token, Learned) else token] * size
        weights += [piece[1]] * size
    return Chunk(tuple(numbers), tuple(weights), tuple(learned))


def count_tokens(checkpoint: Checkpoint, text: str, words: Words = NO_WORDS) -> tuple[int, int]:
    """(tokens, room): how many of the places in the prompt's chunks are taken, and how many there are."""
    chunks = chunker_of(checkpoint).chunks(text, Reading(words=words))
    return CHUNK * (len(chunks) - 1) + len(chunks[-1].tokens), CHUNK * len(chunks)


def chunker_of(checkpoint: Checkpoint, name: str = "tokenizer", pad: int | None = None) -> Chunker:
    """The tokenizer of this name that a folder brings with it, else CLIP's own with this padding."""
    folder = checkpoint.path / name
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return load_chunker(folder)
    return clip_chunker(pad)


@functools.lru_cache(maxsize=8)
def load_chunker(folder: Path) -> Chunker:
    """The chunker of a tokenizer folder (vocab.json, merges.txt). Raises ModelProblem."""
    vocabulary: dict[str, int] = read_json(folder / "vocab.json")
    try:
        merges = _read_merges(folder / "merges.txt")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelProblem("The tokenizer's merges.txt cannot be read.", field="checkpoint") from error
    try:
        return _chunker(vocabulary, merges, _pad_token(folder, vocabulary))
    except Exception as error:  # the tokenizers library raises bare Exception for a merge outside the vocabulary
        raise ModelProblem("The tokenizer's files do not fit each other.", field="checkpoint") from error


@functools.lru_cache(maxsize=2)
def clip_chunker(pad: int | None = None) -> Chunker:
    """The chunker of CLIP's own vocabulary of 49,408 tokens, which ships with the program.

    pad: the number of the token that fills up a chunk; None is the end token (CLIP-L), OpenCLIP's encoders take 0.
    Source: the 256 bytes' letters, the same at a word's end, the merges of OpenAI's CLIP in order, two specials.
    """
    merges = _read_merges(_CLIP_MERGES)
    letters = _byte_letters()
    names = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), _START, _END]
    return _chunker({name: number for number, name in enumerate(names)}, merges, pad)


def _chunker(vocabulary: dict[str, int], merges: list[tuple[str, str]], pad: int | None) -> Chunker:
    model = models.BPE(
        vocab=vocabulary, merges=merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=_END
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    start, end = vocabulary[_START], vocabulary[_END]
    return Chunker(tokenizer, start, end, end if pad is None else pad, vocabulary.get(",</w>"))


def _read_merges(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(a, b) for a, _, b in (line.partition(" ") for line in lines if not line.startswith("#version")) if b]


def _byte_letters() -> list[str]:
    """A printable letter for each byte, as GPT-2 numbered them: those that are printable first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [*map(chr, printable), *(chr(256 + place) for place in range(256 - len(printable)))]


def _pad_token(folder: Path, vocabulary: dict[str, int]) -> int | None:
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return None
    pad = read_json(path).get("pad_token", _END)
    name = pad.get("content") if isinstance(pad, dict) else pad
    return vocabulary.get(str(name))
