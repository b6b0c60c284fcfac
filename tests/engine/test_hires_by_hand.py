"""Hires. fix against its formula, computed by hand: with noise prediction, with a refiner, and on flow models."""

import shutil
from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from tests.engine.helpers import load_model, pixels, running, write_checkpoint
from tests.engine.singles import write
from tests.engine.tiny_flow import flow, write_tokenizer
from webui.core.hires_fields import HiresFix
from webui.core.prompt.wording import Rules, read_negative, read_prompt
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.conditioning import Conditioner
from webui.engine.families.base import Purpose
from webui.engine.reading.cache import NetworkCache
from webui.engine.schedules import handover_sigma, noise_levels
from webui.plugins.resolve import resolve

HIRES = HiresFix(hr_upscaler="Latent", hr_scale=1.5, denoising_strength=0.6, hr_second_pass_steps=5)
LAID, WALKED = 8, 5
"""A1111's rule for those: a schedule for int(5 / 0.6) steps, of which the last five are walked."""


def levels(model, size, steps, registry):
    sampler, schedule = registry.samplers.get("Euler"), registry.schedules.get("Automatic")
    return noise_levels(sampler, schedule, steps, model.schedule_at(size, size), registry, resolve)


def noise(seed, channels, size):
    return torch.randn(1, channels, size // 8, size // 8, generator=torch.Generator().manual_seed(seed))


def euler(model, request, x, walked, size, refiner=None, switch=0.0):
    """Euler's formula over these levels, with the refiner's predictions from the noise level `switch` down."""
    rules = Rules(request.steps)
    texts = read_prompt(request.prompt, rules), read_negative(request.negative_prompt, rules)
    for sigma, following in pairwise(walked):
        one = refiner if refiner and sigma <= switch else model
        prompt, negative = Conditioner().encode(one, *texts, Purpose(size, size))
        answers = one.predict(torch.cat([x, x]), [sigma, sigma], one.stack([negative.at(0), *prompt.at(0)]))
        uncond, cond = answers.chunk(2)
        x = x + (x - torch.lerp(uncond, cond, request.cfg_scale)) / sigma * (following - sigma)
    return x


def by_hand(model, request, registry, channels, refiner=None):
    """Both passes: noise to latents, these stretched, noise of the larger size on them, and on from there."""
    flowing, small, large = model.schedule_at(64, 64).flow, 64, 96
    first = levels(model, small, request.steps, registry)
    x = noise(request.seed, channels, small) * first[0]
    x = euler(model, request, x, first, small)
    x = functional.interpolate(x, size=(large // 8, large // 8), mode="bilinear")
    second = levels(model, large, LAID, registry)[-WALKED - 1 :]
    clean = (1.0 - second[0]) * x if flowing else x
    x = clean + noise(request.seed, channels, large) * second[0]
    switch = handover_sigma(model.schedule_at(large, large), request.refiner_switch_at)
    return model.decode(euler(model, request, x, second, large, refiner, switch))[0].numpy().astype(int)


@pytest.fixture
def refined(tmp_path, tiny_checkpoint):
    """A folder with the checkpoints tiny and other."""
    shutil.copytree(tiny_checkpoint, tmp_path / "tiny")
    write_checkpoint(tmp_path / "other", seed=5)
    return tmp_path


@torch.inference_mode()
def test_on_noise_prediction_and_with_a_refiner_in_the_second_pass(refined, registry, plugins, ask):
    request = ask(hires=HIRES, cfg_scale=3.0)
    with_refiner = request.but(refiner_checkpoint="other", refiner_switch_at=0.5, abilities="cfg,refiner")
    with running(refined, registry, plugins) as bench:
        [plain, refined_too] = bench.make(request, with_refiner)
    model, other = load_model(refined / "tiny"), load_model(refined / "other")
    expected = by_hand(model, request, registry, 4), by_hand(model, with_refiner, registry, 4, other)
    assert abs(expected[0] - expected[1]).max() > 8
    for made, wanted in zip((plain, refined_too), expected, strict=True):
        assert abs(pixels(made[0]) - wanted).max() <= 1


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["sd3.5", "flux-dev"])
def test_on_a_flow_model(tmp_path, registry, plugins, ask, kind):
    write_tokenizer(tmp_path / "tokenizers" / "t5")
    folder = tmp_path / "Stable-diffusion"
    folder.mkdir()
    path = write(flow(kind).tensors(), folder / f"{kind}.safetensors")
    request = ask(checkpoint=kind, hires=HIRES, cfg_scale=2.0 if kind == "sd3.5" else 1.0)
    with running(folder, registry, plugins) as bench:
        [made] = bench.make(request)
    checkpoint = Catalogue((folder,)).get(path.name)
    reader = NetworkCache(registry, resolve, torch.device("cpu"), torch.float32)
    model = resolve(registry.families.get(checkpoint.family).function)(checkpoint, reader)
    assert abs(pixels(made[0]) - by_hand(model, request, registry, 16)).max() <= 1
