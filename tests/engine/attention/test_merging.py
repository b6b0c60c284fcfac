"""Token merging: like tokens are computed once, each gets its answer back, and nothing of it stays."""

import torch

from tests.engine.attention.conftest import CPU
from tests.engine.helpers import Loop
from webui.engine.attention.apply import apply
from webui.engine.attention.merging import joined, places_of


def test_tokens_that_are_the_same_lose_nothing():
    cells = torch.randn(2, 3, 4, 5)
    tokens = cells.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1, 2)
    fewer, part = joined(tokens, places_of((6, 8), CPU), 0.75)
    assert fewer.shape == (2, 12, 5)
    assert torch.allclose(part(fewer.sin()), tokens.sin(), atol=1e-6)


def test_as_many_go_as_are_asked_and_those_that_are_most_alike():
    tokens = torch.randn(1, 5 * 7, 16)
    # One cell of four of which three are like its first; all other tokens are like none.
    for place in (1, 7, 8):
        tokens[0, place] = tokens[0, 0] * (1 + place / 100)
    fewer, part = joined(tokens, places_of((5, 7), CPU), 3 / 35)
    assert fewer.shape == (1, 32, 16)
    answer = part(fewer)
    mean = tokens[0, [0, 1, 7, 8]].mean(0)
    assert torch.allclose(answer[0, [0, 1, 7, 8]], mean.expand(4, -1), atol=1e-6)
    others = [place for place in range(35) if place not in (0, 1, 7, 8)]
    assert torch.equal(answer[0, others], tokens[0, others])


def test_no_more_can_go_than_three_of_each_four_and_a_ratio_of_none_takes_none():
    tokens = torch.randn(1, 16, 4)
    assert joined(tokens, places_of((4, 4), CPU), 0.9)[0].shape[1] == 4
    fewer, part = joined(tokens, places_of((4, 4), CPU), 0.0)
    assert fewer.shape == tokens.shape and torch.equal(part(fewer), tokens)


def test_the_finest_layers_look_at_fewer_tokens_and_the_next_job_at_all(tiny, registry, ask):
    loop = Loop(tiny, registry)
    seen = []

    def spying(name, network, shortcuts):
        applied = apply(loop.backends, name, network, shortcuts)
        for processor in network.attn_processors.values():
            attend = processor._attend
            processor._attend = lambda q, k, *rest, a=attend: seen.append((q.shape[2], k.shape[2])) or a(q, k, *rest)
        return applied

    loop.denoiser._attention = spying
    asked = {"sampler_name": "Euler", "steps": 2, "seed": 4}
    pictures = {}
    for name, ratio in (("plain", 0.0), ("merged", 0.5), ("again", 0.0)):
        seen.clear()
        loop.add(name, ask(token_merging_ratio=ratio, **asked))
        pictures |= loop.run()
        most = max(queries for queries, keys in seen if queries == keys)
        assert most == (32 if ratio else 64)
    assert (pictures["plain"] == pictures["again"]).all()
    assert not tiny.denoiser._forward_pre_hooks
    apart = abs(pictures["plain"] - pictures["merged"])
    assert 0 < apart.mean() < 40


def test_jobs_of_different_ratios_share_no_pass(tiny, registry, ask):
    loop = Loop(tiny, registry)
    for number, ratio in enumerate((0.0, 0.5, 0.5)):
        loop.add(f"job{number}", ask(sampler_name="Euler", steps=2, seed=number, token_merging_ratio=ratio))
    loop.run()
    assert sorted(loop.rows) == [2, 2, 4, 4]


def test_likeness_is_compared_in_slices(monkeypatch):
    from webui.engine.attention import merging

    tokens = torch.randn(2, 12 * 10, 8)
    whole, _ = joined(tokens, places_of((12, 10), CPU), 0.5)
    monkeypatch.setattr(merging, "LARGEST_SCORES", 7 * 2 * 30)
    sliced, part = joined(tokens, places_of((12, 10), CPU), 0.5)
    assert torch.equal(whole, sliced) and part(sliced).shape == tokens.shape
