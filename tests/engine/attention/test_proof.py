"""What was chosen is what really runs: torch's profiler names the operator in every attention layer."""

import pytest
import torch

from tests.engine import tiny, tiny_flow
from tests.engine.attention.conftest import CPU
from tests.engine.attention.ops import attention_layers, operators
from webui.engine.attention.apply import apply

FLASH = {"aten::_scaled_dot_product_flash_attention_for_cpu"}
MATH = {"aten::_scaled_dot_product_attention_math"}
PRODUCTS = {"aten::bmm"}
RUNS = {
    "sdpa": FLASH,
    "auto": FLASH,
    "sdp-no-mem": FLASH,
    "sdpa-flash": FLASH,
    "sdpa-math": MATH,
    "math": PRODUCTS,
    "sub-quadratic": PRODUCTS,
    "split": PRODUCTS,
}
"""What runs on the CPU; of those that serve there, FlexAttention alone is left out: it is made of products and more."""


def unet():
    """A UNet of SD1's structure, and what it is asked."""
    network = tiny.unet("sd1", width=64)
    x, context = torch.randn(2, 4, 16, 16), torch.randn(2, 77, tiny.TEXT_WIDTH)
    return network, lambda: network(x, torch.tensor([500.0, 300.0]), context).sample


def sd3():
    """SD3.5's transformer, which computes through torch alone."""
    network = tiny_flow.sd3_transformer("sd3.5")
    x, context = torch.randn(2, 16, 16, 16), torch.randn(2, 20, tiny_flow.CONTEXT_WIDTH)
    pooled = torch.randn(2, 2 * tiny.TEXT_WIDTH)
    return network, lambda: network(x, context, pooled, torch.tensor([500.0, 300.0])).sample


def flux():
    """Flux.1's transformer, which computes through diffusers' dispatch."""
    network = tiny_flow.flux_transformer()
    x, context = torch.randn(1, 64, 64), torch.randn(1, 20, tiny_flow.CONTEXT_WIDTH)
    places = {"img_ids": torch.zeros(64, 3), "txt_ids": torch.zeros(20, 3)}
    pooled, guidance = torch.randn(1, tiny.TEXT_WIDTH), torch.tensor([3.5])
    return network, lambda: network(
        x, context, pooled, torch.tensor([0.5]), guidance=guidance, **places
    ).sample  # fmt: skip


@pytest.mark.parametrize("make", [unet, sd3, flux], ids=lambda make: make.__name__)
@torch.inference_mode()
def test_the_chosen_one_runs_in_every_layer_and_nothing_after_it_is_taken_back(backends, make):
    torch.manual_seed(0)
    network, forward = make()
    layers = attention_layers(network)
    processors = {name: layer.processor for name, layer in layers.items()}
    plain = forward()
    assert len(layers) > 3
    for name, expected in RUNS.items():
        answers = []
        # The trial of a backend is a computation too, and must not be taken for a layer's.
        backends.ready(name, CPU, torch.float32)
        applied = apply(backends, name, network)
        found = operators(network, lambda answers=answers: answers.append(forward()))
        applied.undo()
        assert found == dict.fromkeys(layers, expected), name
        assert not applied.notes
        assert torch.allclose(answers[0], plain, atol=1e-4 * plain.abs().max().item()), name
        assert {layer: layers[layer].processor for layer in layers} == processors
        assert "forward" not in vars(network)
    assert operators(network, forward) == dict.fromkeys(layers, FLASH)
    assert torch.equal(forward(), plain)


@torch.inference_mode()
def test_two_models_compute_by_different_ones_at_the_same_time(backends):
    (first, ask_first), (second, ask_second) = flux(), sd3()
    for name in ("math", "sdpa-math"):
        backends.ready(name, CPU, torch.float32)
    one, other = apply(backends, "math", first), apply(backends, "sdpa-math", second)
    assert set.union(*operators(first, ask_first).values()) == PRODUCTS
    assert set.union(*operators(second, ask_second).values()) == MATH
    one.undo()
    assert set.union(*operators(first, ask_first).values()) == FLASH
    assert set.union(*operators(second, ask_second).values()) == MATH
    other.undo()
