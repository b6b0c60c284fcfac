"""On a card: weights kept in 8 bits take half of what fp16's take and make its picture; bf16 makes that of fp32."""

import pytest
import torch

from tests.engine.helpers import STARTER, pixels, running
from webui.core.precisions import FIELD_OF
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.chosen import kept_in
from webui.engine.pipelines import Pipelines
from webui.engine.reading.kept import FP8, KeptTensor
from webui.plugins.loader import load_plugins
from webui.plugins.resolve import resolve

# The mean over all pixels, of 255. Another seed's picture is 3.5 apart; on a CPU fp8 is 0.5 from fp16, and
# bf16 0.3 from fp32.
NEAR = {"fp8": 1.5, "bf16": 1.0, "fp16": 1.0}
REQUEST = GenerationRequest(
    prompt="a red circle above a blue square", sampler_name="Euler", scheduler="Automatic", steps=8, width=128,
    height=128, seed=7, checkpoint=STARTER.name,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(registry):
    """A function from what an engine computes in, and what a request wants kept how, to the starter's picture."""
    plugins, known = load_plugins((), "worker"), {}

    def picture(precision, **kept):
        key = precision, *sorted(kept.items())
        if key not in known:
            with running(STARTER.parent, registry, plugins, device="cuda:0", precision=precision) as bench:
                [pictures] = bench.make(REQUEST.but(**kept))
                known[key] = pixels(pictures[0])
        return known[key]

    return picture


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_makes_the_picture_of_fp32(made, precision):
    assert abs(made(precision) - made("fp32")).mean() < NEAR[precision]


@pytest.mark.parametrize("computed", ["fp16", "bf16"])
@pytest.mark.parametrize("roles", [("denoiser",), tuple(FIELD_OF)], ids=["denoiser", "all"])
def test_weights_in_8_bits_make_the_picture_of_fp16(made, computed, roles):
    small = made(computed, **{FIELD_OF[role]: "fp8" for role in roles})
    apart = abs(small - made("fp16"))
    assert apart.any() and apart.mean() < NEAR["fp8"]


def matrices(network):
    """The weights that 8 bits are for."""
    return [weight for weight in network.parameters() if weight.dim() >= 2]


def test_weights_in_8_bits_lie_on_the_card_in_8_bits(registry, cuda):
    checkpoint, held = Catalogue((STARTER.parent,)).get(STARTER.name), {}
    for kept in ("fp16", "fp8"):
        shelf = Pipelines(registry, resolve, cuda, torch.float16)
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        with shelf.lend(kept_in(checkpoint, {"denoiser": kept})) as model:
            held[kept] = torch.cuda.memory_allocated() - before
            weights = matrices(model.denoiser)
            saved = sum(weight.numel() for weight in weights)
            if kept == "fp8":
                assert all(isinstance(weight, KeptTensor) and weight.dtype == torch.float16 for weight in weights)
                assert {(weight.kept.dtype, weight.kept.device) for weight in weights} == {(FP8, cuda)}
        del model, weights
        shelf.unload()
    # One byte of two of each; the allocator rounds each tensor up to 512 bytes.
    assert held["fp16"] - held["fp8"] == pytest.approx(saved, rel=0.02)


@torch.inference_mode()
def test_an_8_bit_layer_computes_on_the_card_what_it_computes_on_a_cpu(cuda):
    torch.manual_seed(0)
    weight, x = torch.randn(64, 96).to(FP8), torch.randn(8, 96)
    right = torch.nn.functional.linear(x, weight.float())
    answer = torch.nn.functional.linear(x.to(cuda), KeptTensor(weight.to(cuda), torch.float32))
    assert torch.allclose(answer.cpu(), right, atol=1e-3)
