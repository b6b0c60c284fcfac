"""LoRAs on a UNet of SD1.5's size: merged against adding the same by hand, what pictures take longer, and both ways in
which jobs with different ones go on together."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from tools.bench.results import Row, at_most, chance, ratio
from webui.engine.adapters.beside import Beside
from webui.engine.adapters.fitting import AdapterSet, Wanted, fit
from webui.engine.adapters.kinds import kind_of
from webui.engine.adapters.merging import Merging
from webui.engine.adapters.places import Atlas
from webui.engine.adapters.weights import AdapterWeights, Module
from webui.engine.device import choose_device, choose_dtype, set_threads
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

SWITCH_BAR, PICTURE_BAR = 1.5, 1.1
TRUE = (320, 640, 1280, 1280)
RANK, STEPS = 32, 20
SIDES = (32, 16)
"""In latent cells: a quarter of SD1.5's own size in pixels, and a sixteenth, where merging weighs most."""
_SIDE = 16
_SCALE = 0.5
_FACTOR = 8
_WALK = 4
"""Steps in a row that are measured."""


def adapters(
    rounds: int, device_name: str, threads: int, widths: tuple[int, ...] = TRUE, steps: int = STEPS
) -> list[Row]:
    """Exchanging a set for another, as a ratio of the same by hand; a picture with three LoRAs against one without; a
    step of two jobs with different LoRAs in one pass against two.

    widths: of the UNet's levels. The pictures are of 256 x 256 and of 128 x 128, all else of the latter size.
    """
    set_threads(threads, 1)
    device = choose_device(device_name)
    network = _unet(widths, device, choose_dtype("auto", device))
    atlas = Atlas(build_registry(load_plugins((), "worker")).architectures, resolve)
    made = [_lora(network, seed) for seed in range(5)]
    sets = [_set(network, atlas, [one]) for one in made[:2]]
    with torch.inference_mode():
        return [
            _switching(network, made, sets, rounds),
            *(_picture(network, _set(network, atlas, made[2:]), rounds, steps, side) for side in SIDES),
            _together(network, sets, rounds),
        ]


def _switching(network: nn.Module, made: list[AdapterWeights], sets: list[AdapterSet], rounds: int) -> Row:
    originals = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    merging = Merging()
    ours, theirs = [], []
    for number in range(rounds + 1):
        which = number % 2
        merging.hold(network, sets[1 - which].denoiser)
        ours.append(_seconds(network, lambda chosen=which: merging.hold(network, sets[chosen].denoiser)))  # type: ignore[misc]
        merging.hold(network, None)
        theirs.append(_seconds(network, lambda chosen=which: _by_hand(network, made[chosen], originals)))  # type: ignore[misc]
        _by_hand(network, None, originals)
    # The first one of each waits for memory from the system.
    ours, theirs = ours[1:], theirs[1:]
    samples = {"ours": ours, "by hand": theirs}
    return at_most(
        "exchanging one LoRA for another", ratio(ours, theirs), SWITCH_BAR, samples=samples, note=chance(ours)
    )


def _picture(network: nn.Module, three: AdapterSet, rounds: int, steps: int, side: int) -> Row:
    """Put together from parts that are measured in turn: merging, steps and putting back against as many steps."""
    device, dtype = next(network.parameters()).device, next(network.parameters()).dtype
    x = torch.randn(2, 4, side, side, device=device, dtype=dtype)
    text = torch.randn(2, 77, 768, device=device, dtype=dtype)
    merging = Merging()
    parts: dict[str, list[float]] = {"merging and putting back": [], "merged steps": [], "plain steps": []}

    def walk() -> float:
        """So many steps take, put together from a few: the first one finds nothing where the last had left it."""
        taken = []
        for number in range(min(steps, _WALK)):
            began = time.perf_counter()
            network(x, number, text)
            _wait(device)
            taken.append(time.perf_counter() - began)
        first, *rest = taken
        return first + (steps - 1) * statistics.fmean(rest or [first])

    for _ in range(max(3, rounds // 2)):
        plain = walk()
        around = _seconds(network, lambda: merging.hold(network, three.denoiser))
        merged = walk()
        around += _seconds(network, lambda: merging.hold(network, None))
        for part, seconds in zip(parts.values(), (around, merged, plain), strict=True):
            part.append(seconds)
    # Whole pictures take a minute each, in which a machine's speed may change more than what is looked for.
    arounds, theirs = parts["merging and putting back"], parts["plain steps"]
    ours = [around + merged for around, merged in zip(arounds, parts["merged steps"], strict=True)]
    pixels = side * _FACTOR
    name = f"a picture of {pixels} x {pixels} with three LoRAs, {steps} steps"
    return at_most(name, ratio(ours, theirs), PICTURE_BAR, samples=parts, note=chance(theirs))


def _together(network: nn.Module, sets: list[AdapterSet], rounds: int) -> Row:
    """Both jobs have a picture with guidance. In turns each has its set merged, the exchange not counted."""
    device, dtype = next(network.parameters()).device, next(network.parameters()).dtype
    x = torch.randn(4, 4, _SIDE, _SIDE, device=device, dtype=dtype)
    text = torch.randn(4, 77, 768, device=device, dtype=dtype)
    merging, beside = Merging(), Beside(network, device)
    shares = [one.denoiser for one in sets for _ in range(2)]

    def shared() -> None:
        with beside.rows(shares):
            network(x, 1, text)

    one_pass, turns = [], []
    for _ in range(rounds + 1):
        one_pass.append(_seconds(network, shared))
        seconds = 0.0
        for number, one in enumerate(sets):
            merging.hold(network, one.denoiser)
            rows = slice(2 * number, 2 * number + 2)
            seconds += _seconds(network, lambda rows=rows: network(x[rows], 1, text[rows]))  # type: ignore[misc]
            merging.hold(network, None)
        turns.append(seconds)
    beside.remove()
    one_pass, turns = one_pass[1:], turns[1:]
    name = "a step of two jobs with different LoRAs, in one pass / in two"
    return Row(
        name,
        ratio(one_pass, turns),
        "times",
        note=chance(one_pass),
        samples={"one pass": one_pass, "two passes": turns},
    )


def _unet(widths: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> nn.Module:
    with torch.device("meta"):
        network: nn.Module = UNet2DConditionModel(
            block_out_channels=widths, cross_attention_dim=768, attention_head_dim=8
        )
    network = network.to_empty(device=device).to(dtype).eval().requires_grad_(False)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.02)
    return network


def _lora(network: nn.Module, seed: int) -> AdapterWeights:
    """A LoRA for all layers of attention, as kohya's scripts make them."""
    generator = torch.Generator().manual_seed(seed)
    modules = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear) and ".transformer_blocks." in name:
            tensors = {
                "lora_down": torch.randn(RANK, layer.in_features, generator=generator).mul_(0.01).half(),
                "lora_up": torch.randn(layer.out_features, RANK, generator=generator).mul_(0.01).half(),
                "alpha": torch.tensor(RANK * _SCALE),
            }
            kind = kind_of(tensors)
            assert kind is not None
            modules[f"lora_unet_{name.replace('.', '_')}"] = Module(kind, tensors)
    return AdapterWeights(f"made {seed}", str(seed), modules, 0)


def _set(network: nn.Module, atlas: Atlas, made: list[AdapterWeights]) -> AdapterSet:
    model = SimpleNamespace(networks=(network,), denoiser=network)
    return fit(model, [Wanted(one) for one in made], atlas)[0]


def _by_hand(network: nn.Module, adapter: AdapterWeights | None, originals: dict[str, Tensor]) -> None:
    """The least that can be written for it: of each layer the product, scaled, added to the kept weight."""
    for name, layer in network.named_modules():
        module = adapter.modules.get(f"lora_unet_{name.replace('.', '_')}") if adapter else None
        if module is not None:
            device = layer.weight.device
            up, down = (module.tensors[part].to(device).float() for part in ("lora_up", "lora_down"))
            weight = originals[f"{name}.weight"].float() + (up @ down) * _SCALE
            layer.weight.copy_(weight.to(layer.weight.dtype))
        elif adapter is None and f"{name}.weight" in originals:
            layer.weight.copy_(originals[f"{name}.weight"])


def _seconds(network: nn.Module, work: Callable[[], object]) -> float:
    device = next(network.parameters()).device
    _wait(device)
    started = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
