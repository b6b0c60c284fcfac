"""Philox: the authors' own vectors, and the numbers that people have printed from CUDA cards."""

from __future__ import annotations

import numpy as np
import pytest

from webui.engine.philox import PhiloxGenerator, philox4x32

# Random123's kat_vectors for philox4x32 with 10 rounds: counter, key, answer.
VECTORS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "answer"), VECTORS)
def test_the_authors_vectors(counter: str, key: str, answer: str) -> None:
    first, second = words(key)
    several = np.repeat(np.array([words(counter)], dtype=np.uint32).T, 3, axis=1)
    made = philox4x32(several, (first, second))
    assert made.dtype == np.uint32 and made.T.tolist() == [words(answer)] * 3


def test_numbers_of_a_card() -> None:
    """`torch.manual_seed(0); torch.randn(8, device="cuda")`, as printed in public reports with torch 2.2."""
    printed = [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284]
    drawn = PhiloxGenerator(0).normal((8,))
    assert drawn.dtype == np.float32
    assert drawn.tolist() == pytest.approx(printed, abs=5.1e-5)


def test_a_draw_goes_on_and_depends_on_all_of_the_seed() -> None:
    one = PhiloxGenerator(3)
    first, second = one.normal((4, 8)), one.normal((4, 8))
    assert not np.array_equal(first, second)
    assert np.array_equal(PhiloxGenerator(3).normal((2, 8)), first[:2]), "a number does not depend on how many"
    assert not np.array_equal(PhiloxGenerator(3 + 2**32).normal((4, 8)), first)


def test_it_is_normal() -> None:
    drawn = PhiloxGenerator(2**64 - 1).normal((400_000,)).astype(float)
    moments = [np.mean(drawn**power) for power in (1, 2, 3, 4)]
    assert np.isfinite(drawn).all() and moments == pytest.approx([0, 1, 0, 3], abs=0.04)
