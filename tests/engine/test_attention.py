"""Each attention backend gives torch's own answer, really runs, and is taken back."""

import pytest
import torch
from torch.nn import functional

from tests.engine.helpers import Loop
from webui.core.errors import DarkroomError
from webui.engine import attention
from webui.plugins.builtin.attention import attention_backends
from webui.plugins.resolve import resolve

ROWS = attention_backends()


@pytest.fixture
def kernels(monkeypatch):
    """Counts calls of torch's fused attention and of ours by plain products."""
    calls = {"sdpa": 0, "math": 0}
    fused, plain = functional.scaled_dot_product_attention, attention._attend

    def count(name, function):
        def counted(*args, **options):
            calls[name] += 1
            return function(*args, **options)

        return counted

    monkeypatch.setattr(functional, "scaled_dot_product_attention", count("sdpa", fused))
    monkeypatch.setattr(attention, "_attend", count("math", plain))
    return calls


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@torch.inference_mode()
def test_a_backend_runs_and_agrees_and_is_taken_back(tiny, kernels, row):
    x, context = torch.randn(2, 4, 8, 8) * 4, tiny.stack([tiny.encode("a red circle", 1)] * 2)
    plain = tiny.predict(x, [4.0, 2.0], context)
    before = dict(tiny.denoiser.attn_processors)
    undo = resolve(row.function)(tiny.denoiser)
    kernels.update(sdpa=0, math=0)
    answer = tiny.predict(x, [4.0, 2.0], context)
    assert kernels[row.name] > 0 and sum(kernels.values()) == kernels[row.name]
    assert torch.allclose(answer, plain, atol=2e-4)
    undo()
    assert tiny.denoiser.attn_processors == before


def test_slices_give_the_same_answer(monkeypatch):
    query, key, value = torch.randn(3, 2, 2, 10, 8)
    whole = attention._attend(query, key, value)
    monkeypatch.setattr(attention, "_SCORES", 2 * 2 * 10 * 3)
    assert torch.allclose(attention._attend(query, key, value), whole, atol=1e-6)
    assert torch.allclose(functional.scaled_dot_product_attention(query, key, value), whole, atol=1e-5)


def test_jobs_with_different_backends_each_get_their_own(tiny, registry, ask, kernels):
    before = dict(tiny.denoiser.attn_processors)
    loop = Loop(tiny, registry)
    loop.add("a", ask(attention="math"))
    loop.add("b", ask(attention="sdpa"))
    kernels.update(sdpa=0, math=0)
    pictures = loop.run()
    # The denoising of each uses its own alone; the text encoder and the VAE always use torch's.
    blocks = len(before)
    assert kernels["math"] == 4 * blocks
    assert abs(pictures["a"] - pictures["b"]).max() <= 1
    assert tiny.denoiser.attn_processors == before


@torch.inference_mode()
def test_the_text_s_keys_are_computed_once_and_never_those_of_another_text(tiny, monkeypatch):
    x = torch.randn(2, 4, 8, 8) * 4
    contexts = [tiny.stack([tiny.encode(text, 1)] * 2) for text in ("a red circle", "three blue stars")]
    plain = [tiny.predict(x, [4.0, 2.0], context) for context in contexts]
    undo = attention.sdpa(tiny.denoiser)
    block = next(m for name, m in tiny.denoiser.named_modules() if name.endswith("attn2"))
    calls = []
    monkeypatch.setattr(block.to_k, "forward", lambda x, inner=block.to_k.forward: calls.append(1) or inner(x))
    for turn in (0, 0, 0, 1, 1, 0):
        assert torch.equal(tiny.predict(x, [4.0, 2.0], contexts[turn]), plain[turn])
    assert len(calls) == 3
    undo()


def test_a_network_of_another_kind_is_refused():
    with pytest.raises(DarkroomError, match="Linear"):
        attention.sdpa(torch.nn.Linear(2, 2))
