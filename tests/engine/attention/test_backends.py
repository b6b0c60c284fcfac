"""Each backend gives torch's own answer with every kind of mask, or says why it cannot serve; names are the field's."""

import sys
import types
from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName
from torch.nn import functional

from tests.engine.attention.conftest import CPU
from webui.core.errors import UnknownName
from webui.core.registry import Table
from webui.engine.attention.backends import Backends
from webui.engine.attention.base import AUTO, DEFAULT
from webui.engine.config import Chunks
from webui.plugins.builtin.attention import LEFT_OUT, attention_backends
from webui.plugins.resolve import resolve

ROWS = attention_backends()
BY_NAME = {row.name: row for row in ROWS}
SERVING = ("sdpa", "auto", "sdp-no-mem", "sdpa-flash", "sdpa-math", "math", "sub-quadratic", "split", "flex")
"""Those that serve on a CPU, in fp32."""
CUDA_ONLY = [row.name for row in ROWS if row.devices == ("cuda",)]


def with_rows(*rows, chunks=None):
    """The backends of these rows."""
    return Backends(Table("attention backend", rows, field="attention"), resolve, chunks)


def attend_of(name, chunks=None):
    """What computes, on the CPU."""
    return with_rows(BY_NAME[DEFAULT], *[BY_NAME[name]] * (name != DEFAULT), chunks=chunks).ready(
        name, CPU, torch.float32
    )


def masks():
    """By what they are: of keys, of pairs, of heads, to be added, and with a query that may look at nothing."""
    keys = torch.rand(2, 1, 1, 77) > 0.3
    heads = torch.rand(2, 3, 100, 77) > 0.3
    blind = heads.clone()
    blind[0, 0, 5] = False
    return {
        "none": None,
        "keys": keys,
        "pairs": torch.rand(100, 77) > 0.3,
        "heads": heads,
        "blind": blind,
        "added": torch.randn(2, 1, 100, 77),
        "added to heads": torch.randn(3, 1, 77),
    }


@pytest.mark.parametrize("name", SERVING)
@torch.inference_mode()
def test_a_backend_gives_torchs_answer_with_every_mask_it_knows(name):
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 3, 100, 40), torch.randn(2, 3, 77, 40), torch.randn(2, 3, 77, 40)
    for chunks in (None, Chunks(16, 0, 0), Chunks(1024, 10, 0)):
        attend = attend_of(name, chunks).attend
        for kind, mask in masks().items():
            if mask is not None and not BY_NAME[name].masks:
                continue
            right = functional.scaled_dot_product_attention(query, key, value, mask, scale=0.2)
            assert torch.allclose(attend(query, key, value, mask, 0.2), right, atol=1e-5), (kind, chunks)
        usual = functional.scaled_dot_product_attention(query, key, value)
        assert torch.allclose(attend(query, key, value), usual, atol=1e-5)


def test_every_row_is_known_to_serve_on_a_cpu_or_not_and_says_why_not():
    assert set(SERVING) | set(CUDA_ONLY) == set(BY_NAME)
    backends = with_rows(*ROWS)
    for name in CUDA_ONLY:
        ready = backends.ready(name, CPU, torch.float32)
        assert ready.attend is None
        assert ready.reason == "it needs a CUDA or ROCm card, and this is the CPU"


@pytest.mark.parametrize(
    ("chunks", "cuts"), [(Chunks(threshold=0), True), (Chunks(threshold=100), False), (Chunks(), False)]
)
def test_sub_quadratic_cuts_the_keys_only_above_its_threshold(chunks, cuts, monkeypatch):
    sizes = []
    maximum = torch.maximum
    monkeypatch.setattr(torch, "maximum", lambda a, b: sizes.append(a.shape) or maximum(a, b))
    query = torch.randn(1, 2, 64, 8)
    attend_of("sub-quadratic", chunks).attend(query, query, query)
    # The square root of 64 keys at a time, after the trial's own 64.
    assert len(sizes) == (16 if cuts else 0)


@pytest.mark.parametrize("name", ["math", "split"])
def test_slices_hold_no_more_scores_than_their_share(name, monkeypatch):
    from webui.engine.attention import products

    query, key, value = torch.randn(3, 2, 4, 300, 8)
    whole = functional.scaled_dot_product_attention(query, key, value)
    monkeypatch.setattr(products, "_SCORES", 70 * 300)
    monkeypatch.setattr(products, "_LEAST_SCORES", 70 * 300)
    monkeypatch.setattr(products, "memory", lambda _: (0, 0))
    largest = []
    weights = products._weights
    monkeypatch.setattr(products, "_weights", lambda s, bias: largest.append(s.numel()) or weights(s, bias))
    attend = attend_of(name).attend
    largest.clear()
    assert torch.allclose(attend(query, key, value), whole, atol=1e-5)
    # Heads are taken one by one here, both pictures together: then whole rows of the rest.
    assert max(largest) <= 70 * 300 and len(largest) >= 4 * 2 * 300 / 70


@pytest.mark.parametrize("masked", [False, True])
def test_kernels_that_hold_all_scores_are_given_slices(masked):
    from webui.engine.attention.slices import in_slices

    query, key, value = torch.randn(3, 2, 4, 300, 8)
    mask = torch.rand(2, 1, 300, 300) > 0.3 if masked else None
    held = []

    def kernel(query, key, value, mask, scale):
        held.append(query.shape[:3].numel() * key.shape[2])
        return functional.scaled_dot_product_attention(query, key, value, mask, scale=scale)

    answer = in_slices(kernel, 2 * 70 * 300)(query, key, value, mask)
    assert torch.allclose(answer, functional.scaled_dot_product_attention(query, key, value, mask), atol=1e-5)
    assert max(held) <= 2 * 70 * 300 and len(held) > 1
    held.clear()
    in_slices(kernel, 2 * 4 * 300 * 300)(query, key, value, mask)
    assert len(held) == 1


@pytest.mark.parametrize("name", ["sdpa-math", "flex"])
def test_torchs_kernels_without_bound_are_among_them(name, monkeypatch):
    from webui.engine.attention import slices

    taken = []
    monkeypatch.setattr(slices, "rows_of", lambda mask, first, count: taken.append(count))
    attend = attend_of(name).attend
    query = torch.randn(1, 1, 8200, 8)
    taken.clear()
    whole = functional.scaled_dot_product_attention(query, query, query)
    assert torch.allclose(attend(query, query, query), whole, atol=1e-4)
    assert len(taken) == 2, "8200 x 8200 scores are more than may be held at once"


class TestBroken:
    """A package that is missing, broken, wrong or refuses is said so in a sentence."""

    xformers = replace(BY_NAME["xformers"], devices=())

    def reason(self):
        return with_rows(BY_NAME[DEFAULT], self.xformers).ready("xformers", CPU, torch.float32).reason

    def install(self, monkeypatch, attention):
        package, ops = types.ModuleType("xformers"), types.ModuleType("xformers.ops")
        ops.memory_efficient_attention = attention
        monkeypatch.setitem(sys.modules, "xformers", package)
        monkeypatch.setitem(sys.modules, "xformers.ops", ops)

    def test_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "xformers", None)
        assert with_rows(replace(self.xformers, package="no_such_package")).ready(
            "xformers", CPU, torch.float32
        ).reason == ("the package no_such_package is not installed")

    @pytest.mark.parametrize("raised", ["RuntimeError('built for another torch')", "AttributeError('built for')"])
    def test_raising_at_its_import(self, monkeypatch, tmp_path, raised):
        (tmp_path / "xformers").mkdir()
        (tmp_path / "xformers" / "__init__.py").write_text("")
        (tmp_path / "xformers" / "ops.py").write_text(f"raise {raised}")
        monkeypatch.syspath_prepend(tmp_path)
        for name in ("xformers", "xformers.ops"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        reason = self.reason()
        assert reason.startswith("the package xformers is broken (")
        assert "built for" in reason

    def test_refusing_every_call(self, monkeypatch):
        def refuse(*_, **__):
            raise NotImplementedError("No operator found for this attention.\nDetails follow.")

        self.install(monkeypatch, refuse)
        assert self.reason() == (
            "it refuses to compute here (NotImplementedError: No operator found for this attention.)"
        )

    def test_what_names_files_of_this_machine_is_not_for_those_who_send_jobs(self, monkeypatch):
        def refuse(*_, **__):
            raise ImportError("/home/ann/flash_cuda.so: undefined symbol")

        self.install(monkeypatch, refuse)
        assert self.reason() == "it refuses to compute here (ImportError)"

    @pytest.mark.parametrize("number", [0.0, float("nan")])
    def test_computing_nonsense(self, monkeypatch, number):
        self.install(monkeypatch, lambda query, *_, **__: torch.full_like(query, number))
        assert self.reason() == "it computes wrong numbers here"

    def test_one_that_computes(self, monkeypatch):
        def attention(query, key, value, attn_bias=None, scale=None):
            turned = (tensor.transpose(1, 2) for tensor in (query, key, value))
            return functional.scaled_dot_product_attention(*turned, attn_bias, scale=scale).transpose(1, 2)

        self.install(monkeypatch, attention)
        ready = with_rows(BY_NAME[DEFAULT], self.xformers).ready("xformers", CPU, torch.float32)
        query = torch.randn(2, 3, 10, 8)
        mask = torch.rand(2, 1, 1, 10) > 0.3
        right = functional.scaled_dot_product_attention(query, query, query, mask)
        assert torch.allclose(ready.attend(query, query, query, mask), right, atol=1e-6)


def test_a_precision_that_it_does_not_know_is_said():
    row = replace(BY_NAME["flash"], devices=())
    reason = with_rows(row).ready("flash", CPU, torch.float32).reason
    assert reason == "it computes in fp16 or bf16 only, and this model in fp32"


def test_a_place_is_tried_once(monkeypatch):
    tried = []
    backends = Backends(Table("attention backend", ROWS), lambda name: tried.append(name) or resolve(name))
    for _ in range(3):
        backends.ready("split attention", CPU, torch.float32)
    assert tried == ["webui.engine.attention.products:split"]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("xformers", "xformers"),
        ("sdp", "sdpa"),
        ("sdp-no-mem", "sdp-no-mem"),
        ("sub-quadratic", "sub-quadratic"),
        ("Doggettx", "split"),
        ("InvokeAI", "split"),
        ("V1", "split"),
        ("None", "math"),
        ("Automatic", AUTO),
        ("native", "sdpa"),
        ("_native_cudnn", "sdpa-cudnn"),
    ],
)
def test_names_of_other_programs_are_known(registry, name, row):
    assert registry.attention.get(name).name == row


def test_an_unknown_name_is_refused_with_the_nearest(backends):
    with pytest.raises(UnknownName, match="xformers"):
        backends.row("xfomers")


def test_every_backend_of_diffusers_is_a_row_or_left_out_with_the_reason(registry):
    for name in (member.value for member in AttentionBackendName):
        assert (name in registry.attention) != (name in LEFT_OUT), name
