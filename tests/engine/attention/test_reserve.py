"""What a backend cannot do torch's own attention does, and the job is told; what is chosen never outlives its use."""

import pytest
import torch
from torch.nn import functional

from tests.engine import tiny
from tests.engine.attention.conftest import CPU
from tests.engine.helpers import Loop, running
from webui.core.events import Note
from webui.core.registry import AttentionBackend
from webui.engine.attention import products
from webui.engine.attention.apply import apply
from webui.engine.attention.backends import Backends, Ready
from webui.engine.attention.reserve import WithReserve
from webui.engine.attention.transformers import replace_attention


def stub(attend, **options):
    """A row, and backends that know no other."""
    row = AttentionBackend("mine", "Mine", "a:b", **options)

    class Known(Backends):
        def __init__(self):
            self.asked = []

        def ready(self, name, device, dtype):
            self.asked.append((name, device, dtype))
            return attend if isinstance(attend, Ready) else Ready(attend)

    return WithReserve(row, Known())


def test_a_refused_call_is_answered_by_torch_and_not_tried_again():
    calls = []

    def refuse(query, key, value, mask, scale):
        calls.append(query.shape)
        raise ValueError("Not with me.\nAt all.")

    attend = stub(refuse)
    query = torch.randn(1, 2, 5, 8)
    right = torch.nn.functional.scaled_dot_product_attention(query, query, query)
    for _ in range(3):
        assert torch.equal(attend(query, query, query), right)
    assert len(calls) == 1
    assert list(attend.notes) == [
        "Attention by torch (sdpa) in place of Mine: it refused a call (ValueError: Not with me.)."
    ]
    # Other layers are other questions.
    attend(query[..., :4], query[..., :4], query[..., :4])
    assert len(calls) == 2


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no"), torch.AcceleratorError("a fault")])
def test_what_is_not_the_backends_fault_is_not_hidden(error):
    def fail(*_):
        raise error

    query = torch.randn(1, 2, 5, 8)
    attend = stub(fail)
    with pytest.raises(type(error)):
        attend(query, query, query)
    assert not attend.notes


def test_heads_and_masks_that_the_row_rules_out_are_torchs():
    calls = []

    def count(query, *_):
        calls.append(query.shape[-1])
        return query

    attend = stub(count, head_sizes=(8, 16), masks=False)
    for width in (8, 40, 16):
        query = torch.randn(1, 2, 5, width)
        attend(query, query, query)
    query = torch.randn(1, 2, 5, 8)
    attend(query, query, query, torch.ones(5, 5, dtype=torch.bool))
    assert calls == [8, 16]
    assert [note.partition("Mine: ")[2] for note in attend.notes] == [
        "it cannot compute layers whose heads are 40 wide.",
        "it cannot compute layers with a mask.",
    ]


@torch.inference_mode()
def test_a_unets_mask_counts(backends):
    network = tiny.unet("sd1")
    x, context = torch.randn(2, 4, 16, 16), torch.randn(2, 20, tiny.TEXT_WIDTH)
    mask = torch.arange(20) < torch.tensor([[5], [20]])
    ask = (x, torch.tensor([500.0, 300.0]), context)
    plain, unmasked = network(*ask, encoder_attention_mask=mask).sample, network(*ask).sample
    assert not torch.allclose(plain[0], unmasked[0], atol=1e-3)
    for name in ("sdpa", "math", "sub-quadratic", "auto"):
        applied = apply(backends, name, network)
        assert torch.allclose(network(*ask, encoder_attention_mask=mask).sample, plain, atol=1e-5), name
        applied.undo()


class Stranger(torch.nn.Module):
    """A network of an extension's own, which asks torch for attention."""

    def forward(self, x):
        return torch.nn.functional.scaled_dot_product_attention(x, x, x)


def test_a_network_of_another_kind_takes_what_is_chosen(backends, monkeypatch):
    network, x, calls = Stranger(), torch.randn(1, 2, 5, 4), []
    plain = products._sliced
    monkeypatch.setattr(products, "_sliced", lambda *args: calls.append(1) or plain(*args))
    before = network(x)
    for name in ("sdpa", "math"):
        applied = apply(backends, name, network)
        calls.clear()
        assert torch.allclose(network(x), before, atol=1e-6) and bool(calls) == (name == "math")
        applied.undo()
    calls.clear()
    assert torch.equal(network(x), before) and not calls


def test_jobs_with_different_backends_each_get_their_own(tiny, registry, ask, monkeypatch):
    before = dict(tiny.denoiser.attn_processors)
    loop = Loop(tiny, registry)
    calls = []
    for name in ("math", "split"):
        ready = loop.backends.ready(name, CPU, torch.float32)

        def counted(*arguments, name=name, attend=ready.attend):
            calls.append(name)
            return attend(*arguments)

        loop.backends._ready[name, CPU, torch.float32] = Ready(counted)
    loop.add("a", ask(attention="math"))
    loop.add("b", ask(attention="sdpa"))
    loop.add("c", ask(attention="split"))
    pictures = loop.run()
    assert calls.count("math") == calls.count("split") == 4 * len(before)
    assert abs(pictures["a"] - pictures["b"]).max() <= 1
    assert tiny.denoiser.attn_processors == before


@torch.inference_mode()
def test_the_text_s_keys_are_computed_once_and_never_those_of_another_text(tiny, backends, monkeypatch):
    x = torch.randn(2, 4, 8, 8) * 4
    contexts = [tiny.stack([tiny.encode(text, 1)] * 2) for text in ("a red circle", "three blue stars")]
    plain = [tiny.predict(x, [4.0, 2.0], context) for context in contexts]
    applied = apply(backends, "sdpa", tiny.denoiser)
    block = next(m for name, m in tiny.denoiser.named_modules() if name.endswith("attn2"))
    calls = []
    monkeypatch.setattr(block.to_k, "forward", lambda x, inner=block.to_k.forward: calls.append(1) or inner(x))
    for turn in (0, 0, 0, 1, 1, 0):
        assert torch.equal(tiny.predict(x, [4.0, 2.0], contexts[turn]), plain[turn])
    assert len(calls) == 3
    applied.undo()


def test_a_job_is_told_once_and_ends_well(tiny_checkpoint, registry, plugins, ask):
    with running(tiny_checkpoint.parent, registry, plugins) as bench:
        for job, name in (("a", "xformers"), ("b", "sdpa")):
            bench.engine.submit(job, ask(attention=name, n_iter=2))
        pictures = [bench.heard.pictures(job) for job in "ab"]
        notes = [bench.heard.of(job, Note) for job in "ab"]
    assert notes == [
        [Note("Attention by torch (sdpa) in place of xFormers: it needs a CUDA or ROCm card, and this is the CPU.")],
        [],
    ]
    assert len(pictures[0]) == 2


def test_a_forward_that_somebody_put_before_the_classs_stays_theirs():
    network = torch.nn.Linear(2, 2)
    theirs = network.forward = lambda x: x + 1
    take_back = replace_attention(network, functional.scaled_dot_product_attention)
    assert network.forward is not theirs and torch.equal(network(torch.zeros(2)), torch.ones(2))
    take_back()
    assert network.forward is theirs
    del network.forward
    replace_attention(network, functional.scaled_dot_product_attention)()
    assert "forward" not in network.__dict__
