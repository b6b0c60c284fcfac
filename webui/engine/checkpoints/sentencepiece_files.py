"""Read sentencepiece's own files of unigram tokenizers (spiece.model), as T5's folders have them. Torch-free."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from webui.core.errors import ModelProblem

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Numbers of fields in sentencepiece's ModelProto, its SentencePiece, TrainerSpec and NormalizerSpec.
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_TEXT, _SCORE, _KIND = 1, 2, 3
_MODEL_TYPE, _UNKNOWN_ID = 3, 40
_CHARSMAP = 2
_UNIGRAM = 1
_NORMAL_KINDS = (1, 4)
"""Pieces that texts are cut into: normal ones, and those that the trainer's user named."""

_SENTINELS = 100
"""T5 has so many further tokens that stand for gaps; its file leaves them out."""
_END = "</s>"


def read_sentencepiece(data: bytes, path: Path) -> Tokenizer:
    """T5's tokenizer from the content of its spiece.model, as transformers makes it. Raises ModelProblem."""
    try:
        return _tokenizer(data)
    except Exception as error:  # whatever a file of something else makes of the parser or of the tokenizers library
        raise ModelProblem(
            f"{path.parent.name}/{path.name} is no sentencepiece model of the unigram kind.",
            field="checkpoint",
            remedies=("Replace the file", "Put a tokenizer.json beside it"),
        ) from error


def _tokenizer(data: bytes) -> Tokenizer:
    pieces: list[tuple[str, float]] = []
    special: list[str] = []
    unknown, charsmap = 0, b""
    for number, value in _fields(data):
        if number == _PIECES:
            fields = dict(_fields(_bytes(value)))
            text = _bytes(fields[_TEXT]).decode()
            pieces.append((text, struct.unpack("<f", _bytes(fields.get(_SCORE, b"\0\0\0\0")))[0]))
            if fields.get(_KIND, 1) not in _NORMAL_KINDS:
                special.append(text)
        elif number == _TRAINER:
            fields = dict(_fields(_bytes(value)))
            if fields.get(_MODEL_TYPE, _UNIGRAM) != _UNIGRAM:
                raise ValueError("another kind of model")
            unknown = int(fields.get(_UNKNOWN_ID, 0))
        elif number == _NORMALIZER:
            charsmap = _bytes(dict(_fields(_bytes(value))).get(_CHARSMAP, b""))
    sentinels = [f"<extra_id_{number}>" for number in reversed(range(_SENTINELS))]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((name, 0.0) for name in sentinels)], unknown, False))
    if charsmap:
        tokenizer.normalizer = normalizers.Precompiled(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")]
    )
    end = tokenizer.token_to_id(_END)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {_END}", special_tokens=[(_END, end)])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in (*special, *sentinels)])
    return tokenizer


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message in protobuf's wire format, by their numbers. Raises IndexError or ValueError."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            length, place = _varint(data, place)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}[kind]
        if place + length > len(data):
            raise ValueError("cut off")
        yield key >> 3, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where bytes should be")
    return value
