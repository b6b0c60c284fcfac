"""On a card: each backend computes what plain products in fp32 do, with its own kernel, or says why it cannot."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.engine import tiny, tiny_flow
from tests.engine.attention.ops import FUSED, PLAIN, attention_layers, calls_of_layers, operators
from tests.engine.helpers import STARTER, Loop
from webui.core.request import GenerationRequest
from webui.engine.attention.apply import apply
from webui.engine.attention.backends import _unfit
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.reading.cache import NetworkCache
from webui.plugins.builtin.attention import attention_backends
from webui.plugins.resolve import resolve

ROWS = {row.name: row for row in attention_backends()}
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# Of the largest number of the answer; kernels with 8-bit scores are not exact.
NEAR = {"fp32": 1e-4, "fp16": 4e-3, "bf16": 2e-2}
NEAR_8_BIT = 0.08
# Part of a device kernel's name by which it is known.
KERNELS = {
    "sdpa-flash": ("flash",),
    "sdpa-efficient": ("fmha", "cutlassF", "efficient"),
    "sdpa-cudnn": ("cudnn",),
    "sdpa-math": ("softmax",),
    "math": ("softmax",),
    "sub-quadratic": ("softmax",),
    "split": ("softmax",),
    "xformers": ("fmha", "flash", "cutlassF"),
    "flash": ("flash",),
    "sage": ("qk_int8", "sage", "quant"),
}
SHAPES = {
    "SD1.5, self": ((2, 8, 1024, 40), 1024),
    "SD1.5, wide": ((2, 8, 256, 160), 256),
    "SD1.5, cross": ((2, 8, 1024, 80), 77),
    "SDXL, self": ((2, 10, 1024, 64), 1024),
    "SDXL, cross": ((2, 10, 1024, 64), 77),
    "Flux": ((1, 24, 1536, 128), 1536),
}


def serving(backends, name, cuda, dtype):
    """What computes; skips where the row itself or a package that is not there says no."""
    ready = backends.ready(name, cuda, dtype)
    if ready.attend is None:
        package = ROWS[name].package
        if _unfit(ROWS[name], cuda, dtype) or package or name in ("sdpa-flash", "sdpa-cudnn"):
            pytest.skip(ready.reason)
        pytest.fail(ready.reason)
    return ready.attend


def plain(query, key, value, mask=None):
    """Attention by products in fp32."""
    query, key, value = query.float(), key.float(), value.float()
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ value


def kernels(action):
    """Names of the kernels that the card runs for it."""
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        action()
        torch.cuda.synchronize()
    return [event.key for event in profiled.key_averages() if "CUDA" in str(event.device_type)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ROWS)
@torch.inference_mode()
def test_it_computes_what_plain_products_do(backends, cuda, name, dtype, shape):
    attend = serving(backends, name, cuda, DTYPES[dtype])
    (batch, heads, tokens, width), keys = SHAPES[shape]
    row = ROWS[name]
    if row.head_sizes and width not in row.head_sizes:
        pytest.skip(f"heads of {width} are not for it")
    torch.manual_seed(0)
    query = torch.randn(batch, heads, tokens, width, device=cuda, dtype=DTYPES[dtype])
    key, value = torch.randn(2, batch, heads, keys, width, device=cuda, dtype=DTYPES[dtype])
    near = NEAR_8_BIT if "sage" in name else NEAR[dtype]
    right = plain(query, key, value)
    assert (attend(query, key, value).float() - right).abs().max() <= near * right.abs().max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.masks])
@torch.inference_mode()
def test_a_mask_counts(backends, cuda, name, dtype):
    attend = serving(backends, name, cuda, DTYPES[dtype])
    torch.manual_seed(0)
    query = torch.randn(2, 4, 128, 64, device=cuda, dtype=DTYPES[dtype])
    # An odd number of keys, which kernels want aligned.
    key, value = torch.randn(2, 2, 4, 77, 64, device=cuda, dtype=DTYPES[dtype])
    mask = torch.rand(2, 1, 1, 77, device=cuda) > 0.3
    mask[..., 0] = True
    if name == "sdpa-flash":
        with pytest.raises(NotImplementedError):
            attend(query, key, value, mask)
        return
    right = plain(query, key, value, mask)
    assert (attend(query, key, value, mask).float() - right).abs().max() <= NEAR[dtype] * right.abs().max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
@torch.inference_mode()
def test_its_own_kernel_runs(backends, cuda, name, dtype):
    attend = serving(backends, name, cuda, DTYPES[dtype])
    query = torch.randn(2, 8, 512, 64, device=cuda, dtype=DTYPES[dtype])
    attend(query, query, query)
    torch.cuda.synchronize()
    found = kernels(lambda: attend(query, query, query))
    assert any(part.lower() in kernel.lower() for part in KERNELS[name] for kernel in found), found


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("sdpa-flash", "aten::_scaled_dot_product_flash_attention"),
        ("sdpa-efficient", "aten::_scaled_dot_product_efficient_attention"),
        ("sdpa-cudnn", "aten::_scaled_dot_product_cudnn_attention"),
        ("sdpa-math", "aten::_scaled_dot_product_attention_math"),
        ("math", "aten::bmm"),
    ],
)
@torch.inference_mode()
def test_it_runs_in_every_layer_of_a_unet_and_of_a_transformer(backends, cuda, name, operator, dtype):
    serving(backends, name, cuda, DTYPES[dtype])
    options = {"device": cuda, "dtype": DTYPES[dtype]}
    unet = tiny.unet("sd1", width=64).to(**options)
    latents, context = torch.randn(2, 4, 16, 16, **options), torch.randn(2, 77, tiny.TEXT_WIDTH, **options)
    sd3 = tiny_flow.sd3_transformer("sd3.5").to(**options)
    image, text = torch.randn(2, 16, 16, 16, **options), torch.randn(2, 20, tiny_flow.CONTEXT_WIDTH, **options)
    pooled, times = torch.randn(2, 2 * tiny.TEXT_WIDTH, **options), torch.tensor([500.0, 300.0], device=cuda)
    for network, ask in ((unet, (latents, times, context)), (sd3, (image, text, pooled, times))):
        usual = network(*ask).sample
        applied = apply(backends, name, network)
        found = operators(network, lambda network=network, ask=ask: network(*ask))
        answer = network(*ask).sample
        applied.undo()
        assert found == {layer: {operator} for layer in attention_layers(network)}
        assert not applied.notes
        assert (answer - usual).abs().max() <= 0.05 * usual.abs().max()
        assert torch.equal(network(*ask).sample, usual) or dtype == "fp16"


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("name", ["xformers", "flash", "sage"])
@torch.inference_mode()
def test_a_packages_kernel_runs_in_every_layer(backends, cuda, name, dtype):
    serving(backends, name, cuda, DTYPES[dtype])
    options = {"device": cuda, "dtype": DTYPES[dtype]}
    # Heads of 64, which all of them have kernels for.
    unet = tiny.unet("sd2").to(**options)
    latents, context = torch.randn(2, 4, 16, 16, **options), torch.randn(2, 77, tiny.TEXT_WIDTH, **options)

    def ask():
        return unet(latents, 500.0, context).sample

    usual = ask()
    applied = apply(backends, name, unet)
    # Torch names no operator of a package's, but would name its own.
    assert not [found for found in operators(unet, ask).values() if found & {*FUSED, PLAIN}]
    layers, calls = attention_layers(unet), calls_of_layers(unet, ask)
    assert calls.keys() == layers.keys()
    # Torch has built-in flash kernels, which xFormers may pick and FlashAttention has no use for.
    others = ("pytorch_flash",) if name == "flash" else ()
    for layer, (given, by_name) in calls.items():
        ran = kernels(lambda layer=layer, given=given, by_name=by_name: layers[layer](*given, **by_name))
        own = [one for one in ran if not any(other in one for other in others)]
        assert any(part.lower() in one.lower() for part in KERNELS[name] for one in own), (layer, ran)
    assert not applied.notes
    near = NEAR_8_BIT if name == "sage" else 0.05
    assert (ask() - usual).abs().max() <= near * usual.abs().max()
    applied.undo()


def loaded(registry, cuda, dtype):
    """The starter on the card."""
    checkpoint = Catalogue((STARTER.parent,)).get(STARTER.name)
    reader = NetworkCache(registry, resolve, cuda, dtype)
    return resolve(registry.families.get(checkpoint.family).function)(checkpoint, reader)


@pytest.fixture(scope="module", params=list(DTYPES))
def pictures(request, registry, cuda):
    """(dtype's name, a function from a backend's name to the starter's picture)."""
    model = loaded(registry, cuda, DTYPES[request.param])

    def picture(name):
        loop = Loop(model, registry)
        loop.add("one", GenerationRequest(
            prompt="a red circle above a blue square", sampler_name="Euler", scheduler="Automatic", steps=12, width=256,
            height=256, seed=7, checkpoint=STARTER.name, attention=name,
        ))  # fmt: skip
        (made,) = loop.run().values()
        return made

    return request.param, picture


@pytest.mark.parametrize("name", ROWS)
def test_the_starters_picture_is_that_of_plain_products(pictures, backends, cuda, name):
    dtype, picture = pictures
    serving(backends, name, cuda, DTYPES[dtype])
    apart = abs(picture(name) - picture("math"))
    if dtype == "fp32":
        assert apart.max() <= 1
    else:
        # Rounding of half precision shows in single pixels, never in the picture.
        assert apart.mean() < (3 if "sage" in name else 1)


@torch.inference_mode()
def test_auto_measures_and_never_takes_one_that_is_wrong(backends, cuda):
    measured = backends.measured
    query = torch.randn(2, 10, 1024, 64, device=cuda, dtype=torch.float16)
    measured.best(query, query)
    while measured.measure_next():
        pass
    right = plain(query, query, query)
    answer = measured.best(query, query)(query, query, query).float()
    assert (answer - right).abs().max() <= NEAR["fp16"] * right.abs().max()


@torch.inference_mode()
def test_running_out_of_memory_is_no_refusal(backends, cuda):
    network = tiny.unet("sd1", width=64).to(cuda)
    applied = apply(backends, "sdpa-math", network)
    side = 2048
    with pytest.raises(torch.OutOfMemoryError):
        # Scores of 2^44 numbers.
        network(torch.randn(1, 4, side, side, device=cuda), 500.0, torch.randn(1, 77, tiny.TEXT_WIDTH, device=cuda))
    assert not applied.notes
    applied.undo()
    torch.cuda.empty_cache()
