"""The numbers that torch draws on CUDA cards, drawn on the CPU: Philox4x32-10 with the Box-Muller transform."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10
_FACTORS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 2**32
_LOW, _HIGH = np.uint64(_WORD - 1), np.uint64(32)
# Counters that are computed at once: their words stay in a core's cache.
_BLOCK = 8192

Words = NDArray[np.uint32]


def philox4x32(counter: Words, key: tuple[int, int]) -> Words:
    """Four random words, (4, n) uint32, for each counter of (4, n) uint32 and one key of two words.

    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, with ten rounds.
    """
    words = np.empty_like(counter)
    for first in range(0, counter.shape[1], _BLOCK):
        block = slice(first, first + _BLOCK)
        words[:, block] = _ten_rounds(counter[:, block].astype(np.uint64), key)
    return words


def _ten_rounds(words: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """The words, (4, n), each below 2^32, after the rounds; the argument is overwritten."""
    first, second, third, fourth = words
    left, right = np.empty_like(first), np.empty_like(first)
    for number in range(ROUNDS):
        here, there = (np.uint64((word + number * weyl) % _WORD) for word, weyl in zip(key, _WEYL, strict=True))
        np.multiply(first, _FACTORS[0], out=left)
        np.multiply(third, _FACTORS[1], out=right)
        # The new first and third are made of the old second and fourth, whose place the low halves then take.
        second ^= right >> _HIGH
        second ^= here
        fourth ^= left >> _HIGH
        fourth ^= there
        first, second, third, fourth = second, np.bitwise_and(right, _LOW, out=first), fourth, third
        np.bitwise_and(left, _LOW, out=fourth)
    return np.stack([first, second, third, fourth])


class PhiloxGenerator:
    """Draws what `torch.randn(shape, device="cuda")` draws after `torch.manual_seed(seed)`, draw by draw.

    There each number is one thread's first of a call: the seed is the key, the counter is the call's number and the
    thread's (cuRAND's subsequence). So it is for as many numbers as the card runs threads at once, 1024 to 2048 for
    each of its multiprocessors; of larger draws a card's own order depends on its size, and this one goes on as a
    larger card would. Agrees with the card within rounding, some 1e-6, as sine and logarithm are not computed alike.
    """

    def __init__(self, seed: int) -> None:
        """seed: 0 to 2^64 - 1."""
        self._key = (seed % _WORD, seed // _WORD)
        self._drawn = 0

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The next draw: unit normal numbers."""
        count = math.prod(shape)
        counter = np.zeros((4, count), dtype=np.uint32)
        counter[0] = self._drawn
        counter[2] = np.arange(count, dtype=np.uint32)
        self._drawn += 1
        words = philox4x32(counter, self._key)
        return box_muller(words[0], words[1]).reshape(shape)


def box_muller(first: Words, second: Words) -> NDArray[np.float32]:
    """A unit normal number of each two words, in cuRAND's way: radius of the first, sine of the second's angle."""
    # Each is rounded to float32 where the card's fused multiply and add rounds.
    share = np.float32(2.0**-32)
    turn = np.float32(2.0**-32 * 2.0 * math.pi)
    uniform = (first.astype(np.float32) * np.float64(share) + share / 2).astype(np.float32)
    angle = (second.astype(np.float32) * np.float64(turn) + turn / 2).astype(np.float32)
    return np.asarray(np.sqrt(np.float32(-2.0) * np.log(uniform)) * np.sin(angle), dtype=np.float32)
