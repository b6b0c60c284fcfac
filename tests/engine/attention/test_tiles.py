"""HyperTile: tokens attend within tiles, each comes back to its place, and cuts differ from layer to layer alone."""

import pytest
import torch
from torch.nn import functional

from tests.engine.helpers import Loop
from webui.engine.attention.apply import apply
from webui.engine.attention.tiles import HyperTile, Tiling, cut, cuts, tile_side

WIDE = {"sampler_name": "Euler", "steps": 2, "seed": 4, "width": 256, "height": 192}
TILED = {"hypertile_enable_unet": True, "hypertile_max_tile_unet": 128}


def test_tokens_come_back_to_their_places_and_tiles_are_parts_of_the_picture():
    tokens = torch.arange(2 * 6 * 8, dtype=torch.float32).view(2, 48, 1)
    tiles, whole = cut(tokens, (6, 8), (3, 2))
    assert tiles.shape == (6 * 2, 8, 1)
    assert tiles[0, :, 0].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert tiles[7, :, 0].tolist() == [52, 53, 54, 55, 60, 61, 62, 63]
    assert torch.equal(whole(tiles), tokens)
    assert torch.equal(whole(torch.cat([tiles, -tiles], dim=2)), torch.cat([tokens, -tokens], dim=2))


def test_attention_within_tiles_is_attention_under_a_mask_of_tiles():
    query, key, value = torch.randn(3, 2, 48, 8)
    rows, columns = torch.arange(48) // 8 // 2, torch.arange(48) % 8 // 4
    same = (rows[:, None] == rows) & (columns[:, None] == columns)
    right = functional.scaled_dot_product_attention(query, key, value, attn_mask=same)
    parts = [cut(tokens, (6, 8), (3, 2)) for tokens in (query, key, value)]
    answer = parts[0][1](functional.scaled_dot_product_attention(*(tiles for tiles, _ in parts)))
    assert torch.allclose(answer, right, atol=1e-6)


@pytest.mark.parametrize(
    ("side", "least", "most", "counts"),
    [
        (64, 32, 3, [2, 1]),
        (64, 16, 3, [4, 2, 1]),
        (64, 16, 1, [4]),
        (96, 20, 8, [4, 3, 2, 1]),
        (67, 16, 3, [1]),
        (64, 500, 3, [1]),
        (1, 16, 3, [1]),
    ],
)
def test_a_side_is_cut_into_equal_tiles_or_left_whole(side, least, most, counts):
    assert cuts(side, least, most) == counts


@pytest.mark.parametrize(
    ("latents", "max_tile", "side"),
    [((64, 64), 256, 32), ((64, 64), 1024, 64), ((64, 96), 1024, 32), ((65, 64), 256, 16), ((64, 64), 200, 25)],
)
def test_a_tile_is_as_large_as_asked_where_both_sides_have_such_a_power_of_two_in_common(latents, max_tile, side):
    assert tile_side(latents, max_tile) == side


def test_cuts_take_turns_and_coarse_layers_are_cut_less():
    tiles = HyperTile(Tiling(max_depth=1))
    fine = [tiles.grid((64, 64), 0, (64, 64), place) for place in range(5)]
    assert fine == [(2, 2), (1, 2), (2, 1), (1, 1), (2, 2)]
    assert tiles.grid((64, 128), 0, (64, 128), 0) == (2, 4)
    assert tiles.grid((32, 32), 1, (64, 64), 0) == (1, 1)
    assert tiles.grid((128, 128), 1, (256, 256), 0) == (2, 2)
    assert tiles.grid((128, 128), 2, (512, 512), 0) == (1, 1), "deeper than max_depth"


def seen_in(loop, name, asked, ask):
    """(the picture, the queries of each self-attention as (batch, tokens))."""
    seen = []

    def spying(backend, network, shortcuts):
        applied = apply(loop.backends, backend, network, shortcuts)
        for processor in network.attn_processors.values():
            attend = processor._attend
            processor._attend = lambda q, k, *rest, a=attend: seen.append((*q.shape[::2], k.shape[2])) or a(q, k, *rest)
        return applied

    loop.denoiser._attention = spying
    loop.add(name, ask(**asked))
    return loop.run()[name], [(batch, queries) for batch, queries, keys in seen if queries == keys]


def test_layers_attend_within_tiles_the_same_each_time_and_the_next_job_as_a_whole(tiny, registry, ask):
    loop = Loop(tiny, registry)
    plain, whole = seen_in(loop, "plain", WIDE, ask)
    tiled, small = seen_in(loop, "tiled", WIDE | TILED, ask)
    again, _ = seen_in(loop, "again", WIDE | TILED, ask)
    after, wholly = seen_in(loop, "after", WIDE, ask)
    assert set(whole) == {(2, 24 * 32), (2, 12 * 16)}
    # 24 rows have no divisor from 16 up but 24; 32 columns are cut in two, or not. The coarse layer has tiles of 32.
    assert set(small) == {(4, 24 * 16), (2, 24 * 32), (2, 12 * 16)}
    assert (tiled == again).all() and (plain == after).all() and wholly == whole
    assert not tiny.denoiser._forward_pre_hooks
    assert 0 < abs(plain - tiled).mean() < 40


def test_tokens_are_merged_within_each_tile(tiny, registry, ask):
    loop = Loop(tiny, registry)
    _, seen = seen_in(loop, "both", WIDE | TILED | {"token_merging_ratio": 0.5}, ask)
    assert set(seen) == {(4, 24 * 16 // 2), (2, 24 * 32 // 2), (2, 12 * 16)}


def test_jobs_that_are_cut_otherwise_share_no_pass(tiny, registry, ask):
    loop = Loop(tiny, registry)
    other = {"hypertile_swap_size_unet": 1}
    for number, asked in enumerate(({}, TILED, TILED, TILED | other)):
        loop.add(f"job{number}", ask(**WIDE | asked | {"seed": number}))
    loop.run()
    assert sorted(loop.rows) == [2, 2, 2, 2, 4, 4]


def test_a_shared_pass_gives_the_picture_of_the_job_alone(tiny, registry, ask):
    alone, shared = Loop(tiny, registry), Loop(tiny, registry)
    asked = WIDE | TILED
    alone.add("one", ask(**asked))
    picture = alone.run()["one"]
    shared.add("other", ask(**asked | {"seed": 5, "steps": 4}))
    shared.turn()
    shared.add("one", ask(**asked))
    assert abs(shared.run()["one"] - picture).max() <= 1
