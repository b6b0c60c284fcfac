"""A prompt of 300 tokens on a text encoder of SD1.5's true size: known already against encoded anew."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from tools.bench.model_shapes import TRUE, Widths
from tools.bench.random_files import write
from tools.bench.results import Row, chance, ratio
from webui.core.prompt.wording import Rules, read_negative, read_prompt
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.conditioning import Conditioner
from webui.engine.device import choose_device, choose_dtype, set_threads
from webui.engine.families.base import LoadedModel, Purpose
from webui.engine.pipelines import Pipelines
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

_LABEL = "sd15"
TEXTS_ONLY = replace(TRUE, unet=(64,) * 4, vae=(32,) * 4)
"""The other networks say nothing here, and small ones are written and loaded quickly."""
PROMPT = "a red circle " * 100
"""Three tokens a time."""
CHUNKS = 4
_SIDE = 512


def conditioning(folder: Path, pairs: int, device_name: str, threads: int, widths: Widths = TEXTS_ONLY) -> list[Row]:
    """Seconds of a prompt and an empty negative one that are known, as a ratio of those of new ones."""
    set_threads(threads, 1)
    device = choose_device(device_name)
    write(_LABEL, folder / f"{_LABEL}.safetensors", torch.float16, widths)
    checkpoint = Catalogue((folder,), hash_large=False).get(_LABEL)
    registry = build_registry(load_plugins((), "worker"))
    with Pipelines(registry, resolve, device, choose_dtype("auto", device)).lend(checkpoint) as model:
        return [_measured(model, pairs, device)]


def _measured(model: LoadedModel, pairs: int, device: torch.device) -> Row:
    purpose = Purpose(_SIDE, _SIDE)
    rules = Rules(20)
    prompt, negative = read_prompt(PROMPT, rules), read_negative("", rules)
    (text,) = prompt.texts
    assert model.chunk_count(text, purpose) == CHUNKS
    known, anew = [], []
    for number in range(-1, pairs):
        encode = partial(Conditioner().encode, model, prompt, negative, purpose)
        seconds = [_timed(encode, device), _timed(encode, device)]
        # The first round brings in what is used for the first time.
        if number >= 0:
            anew.append(seconds[0])
            known.append(seconds[1])
    note = f"{statistics.median(known) * 1e3:.2f} against {statistics.median(anew) * 1e3:.0f} ms; {chance(known)}"
    name = f"conditioning: 300 tokens, {_LABEL}, known / encoded anew"
    return Row(name, ratio(known, anew), "times", note=note, samples={"known": known, "encoded anew": anew})


def _timed(action: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    with torch.inference_mode():
        kept = action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    del kept
    return seconds
