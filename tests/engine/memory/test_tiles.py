"""Tiles: what a decoder that looks at one cell alone answers is the whole to the last bit of rounding."""

import pytest
import torch

from tests.engine.helpers import load_model
from webui.engine.memory.tiles import by_tiles


def enlarged(latent):
    """A decoder without a view of neighbours."""
    return latent[:, :3].repeat_interleave(8, -1).repeat_interleave(8, -2)


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (8, 40), (41, 23), (16, 16), (13, 100)])
@pytest.mark.parametrize("side", [8, 16])
def test_each_pixel_is_covered_with_shares_that_make_one(size, side):
    latent = torch.randn(1, 4, *size, generator=torch.Generator().manual_seed(0))
    seen = []

    def decode(tile):
        seen.append(tuple(tile.shape[-2:]))
        return enlarged(tile)

    assert torch.allclose(by_tiles(decode, latent, side, 1, 8), enlarged(latent), atol=1e-5)
    assert all(max(shape) <= side for shape in seen)
    assert (len(seen) > 1) == (max(size) > side)


def test_a_picture_of_one_tile_is_that_of_the_whole(tiny):
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(tiny.decode_tiled(latents, 8), tiny.decode(latents))


def test_where_tiles_meet_the_one_fades_into_the_other():
    latent = torch.zeros(1, 4, 8, 14)
    answers = iter([0.0, 1.0])

    def decode(tile):
        return torch.full((1, 3, tile.shape[-2] * 8, tile.shape[-1] * 8), next(answers))

    row = by_tiles(decode, latent, 8, 1, 8)[0, 0, 0]
    steps = row.diff()
    # Two cells overlap: 16 pixels.
    assert row[0] == 0 and row[-1] == 1 and (steps >= 0).all() and steps.max() <= 1 / 15


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint):
    return load_model(tiny_checkpoint)


def test_a_picture_is_encoded_by_tiles_too():
    """Averages of 8 x 8 pixels are the same, whatever tiles they are taken in."""
    picture = torch.rand(1, 3, 8 * 40, 8 * 20, generator=torch.Generator().manual_seed(2))

    def encode(pixels):
        assert max(pixels.shape[-2:]) <= 8 * 16
        return torch.nn.functional.avg_pool2d(pixels, 8)

    found = by_tiles(encode, picture, 16, 8, 1)
    assert torch.allclose(found, torch.nn.functional.avg_pool2d(picture, 8), atol=1e-6)
