"""A byte-level BPE in CLIP's form: trained on the captions, small, and nothing is unknown to it."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77
# CLIP's cut: letters together, digits alone, the rest together.
WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")


@functools.cache
def byte_letters() -> dict[int, str]:
    """The printable letter that stands for each byte in GPT-2's and CLIP's vocabularies."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(256 + len(letters) - len(printable))
    return letters


def _symbols(word: str) -> tuple[str, ...]:
    letters = [byte_letters()[b] for b in word.encode()]
    return (*letters[:-1], letters[-1] + "</w>")


def _merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return tuple(out)


class Bpe:
    """Token numbers of captions; the two last numbers are start and end, and the end also pads."""

    def __init__(self, merges: Iterable[tuple[str, str]]) -> None:
        self.merges = list(merges)
        self.rank = {pair: rank for rank, pair in enumerate(self.merges)}
        letters = list(byte_letters().values())
        names = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in self.merges), START, END]
        self.vocabulary = {name: number for number, name in enumerate(names)}
        self._known: dict[str, list[int]] = {}

    @classmethod
    def train(cls, texts: Iterable[str], merges: int) -> Bpe:
        """Learns up to `merges` merges from `texts`, most frequent first, ties by the alphabet."""
        counts = Counter(word for text in texts for word in WORD.findall(text.lower()))
        words = {_symbols(word): count for word, count in counts.items()}
        learned: list[tuple[str, str]] = []
        while len(learned) < merges:
            pairs: Counter[tuple[str, str]] = Counter()
            for word, count in words.items():
                for pair in itertools.pairwise(word):
                    pairs[pair] += count
            if not pairs:
                break
            best = max(pairs, key=lambda pair: (pairs[pair], pair))
            learned.append(best)
            words = {_merge(word, best): count for word, count in words.items()}
        return cls(learned)

    def word(self, word: str) -> list[int]:
        """The token numbers of one word."""
        if word not in self._known:
            symbols = _symbols(word)
            while True:
                pairs = [p for p in itertools.pairwise(symbols) if p in self.rank]
                if not pairs:
                    break
                symbols = _merge(symbols, min(pairs, key=self.rank.__getitem__))
            self._known[word] = [self.vocabulary[s] for s in symbols]
        return self._known[word]

    def encode(self, text: str) -> list[int]:
        """The token numbers of `text`, without start and end."""
        return [number for word in WORD.findall(text.lower()) for number in self.word(word)]

    def padded(self, numbers: list[int]) -> list[int]:
        """The numbers between start and end, padded with the end to 77."""
        start, end = self.vocabulary[START], self.vocabulary[END]
        inner = numbers[: LENGTH - 2]
        return [start, *inner, *[end] * (LENGTH - 1 - len(inner))]

    def save(self, folder: Path) -> None:
        """Writes vocab.json and merges.txt, and tokenizer.json with its config made from them by transformers."""
        folder.mkdir(parents=True, exist_ok=True)
        made = CLIPTokenizer(
            vocab=self.vocabulary, merges=self.merges, unk_token=END, bos_token=START, eos_token=END, pad_token=END,
            model_max_length=LENGTH,
        )  # fmt: skip
        made.save_pretrained(folder)
        (folder / "vocab.json").write_text(json.dumps(self.vocabulary, ensure_ascii=False), encoding="utf-8")
        lines = ["#version: 0.2", *(f"{a} {b}" for a, b in self.merges)]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Bpe:
        """Reads merges.txt back."""
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
        return cls(tuple(line.split(" ")) for line in lines if line)  # type: ignore[misc]
