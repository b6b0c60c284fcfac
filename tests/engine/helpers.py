"""What the engine's tests share: a tiny checkpoint's writer, an engine with its listener, a loop without an engine."""

import io
import json
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import fields
from functools import partial

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel

from webui.core.events import ENDS, Finished, Picture
from webui.core.model_folders import ModelFolders
from webui.core.paths import PROGRAM_DIR
from webui.engine.attention.apply import apply
from webui.engine.attention.backends import Backends
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.tokens import Reading
from webui.engine.conditioning import Conditioner
from webui.engine.config import EngineConfig
from webui.engine.denoise import Denoiser
from webui.engine.engine import Engine
from webui.engine.families.base import Purpose
from webui.engine.generate import Pass, Run, make_lane
from webui.engine.reading.cache import NetworkCache
from webui.engine.texts import Texts
from webui.engine.wordings import Wordings, calls_of
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.manager import Plugins
from webui.plugins.resolve import resolve

WIDTH = 32
STARTER = PROGRAM_DIR / "models" / "Stable-diffusion" / "darkroom-starter"


def pixels(picture):
    """A picture file's pixels as integers (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB")).astype(int)


def byte_letters():
    """GPT-2's printable letter for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(others))]


def write_checkpoint(folder, seed=0, prediction_type="epsilon"):
    """A diffusers folder with random weights; the networks answer differently to each text and each timestep."""
    torch.manual_seed(seed)
    letters = byte_letters()
    merges = [("r", "e"), ("b", "l"), ("re", "d</w>"), ("bl", "u"), ("blu", "e</w>"), ("a", "</w>")][:5]
    names = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir(parents=True)
    (tokenizer / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (tokenizer / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tokenizer / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77}))
    text = CLIPTextConfig(
        vocab_size=len(names), hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=77, projection_dim=WIDTH, bos_token_id=len(names) - 2,
        eos_token_id=len(names) - 1, pad_token_id=len(names) - 1, initializer_range=0.5,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=4, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=4, sample_size=64,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, scaling_factor=0.18215,
    )  # fmt: skip
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type
    ).save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.0",
        "feature_extractor": [None, None], "safety_checker": [None, None], "requires_safety_checker": False,
        "scheduler": ["diffusers", "DDPMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


class Listener:
    """Collects what an engine emits, and waits for ends."""

    def __init__(self):
        self.outputs = defaultdict(list)
        self._changed = threading.Condition()

    def __call__(self, job_id, output):
        with self._changed:
            self.outputs[job_id].append(output)
            self._changed.notify_all()

    def wait(self, condition, seconds=60):
        """Wait until `condition()` holds."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), f"still waiting; so far: {dict(self.outputs)}"

    def end(self, job_id):
        """The job's last event, once it has ended."""
        self.wait(lambda: self.outputs[job_id] and isinstance(self.outputs[job_id][-1], ENDS))
        return self.outputs[job_id][-1]

    def of(self, job_id, kind):
        """The job's outputs of one kind."""
        return [output for output in list(self.outputs[job_id]) if isinstance(output, kind)]

    def pictures(self, job_id):
        """The pictures of a job that ended well, by number."""
        end = self.end(job_id)
        assert isinstance(end, Finished), end
        return {picture.index: picture for picture in self.of(job_id, Picture)}


class Gate:
    """An observer of forward passes that can hold the loop after a number of them."""

    def __init__(self):
        self.passes = []
        self.held = threading.Event()
        self._hold = (0, threading.Event())

    def __call__(self, forward):
        self.passes.append(forward)
        count, go_on = self._hold
        if len(self.passes) == count:
            self.held.set()
            assert go_on.wait(60)

    def hold_at(self, count):
        """Hold the loop once `count` forward passes were made in all; lets it go on to there if it is held now."""
        before, self._hold, self.held = self._hold[1], (count, threading.Event()), threading.Event()
        before.set()

    def release(self):
        """Let the loop go on."""
        self._hold[1].set()


class Bench:
    """An engine with its listener and its gate."""

    def __init__(self, config, registry, plugins, **options):
        self.heard = Listener()
        self.gate = Gate()
        self.engine = Engine(config, registry, plugins, self.heard, observer=self.gate, **options)

    def make(self, *requests, **options):
        """The pictures of requests that are all submitted at once; a list of dicts by number."""
        ids = [f"job {time.monotonic_ns()} {place}" for place in range(len(requests))]
        for job_id, request in zip(ids, requests, strict=True):
            self.engine.submit(job_id, request, **options)
        return [self.heard.pictures(job_id) for job_id in ids]


@contextmanager
def running(folder, registry, plugins, **options):
    """An engine on the checkpoints of a folder."""
    names = [field.name for field in fields(EngineConfig) if field.name in options]
    chosen = {"device": "cpu"} | {name: options.pop(name) for name in names}
    config = EngineConfig(ModelFolders((folder,)), **chosen)
    bench = Bench(config, registry, plugins, **options)
    try:
        yield bench
    finally:
        bench.gate.release()
        bench.engine.close()


def load_model(folder):
    """The model of a checkpoint's folder, on the CPU."""
    registry = build_registry(load_plugins((), "worker"))
    checkpoint = Catalogue((folder.parent,)).get(folder.name)
    reader = NetworkCache(registry, resolve, torch.device("cpu"), torch.float32)
    return resolve(registry.families.get(checkpoint.family).function)(checkpoint, reader)


class Loop:
    """A denoiser without an engine round it: lanes are made from requests, and every forward pass is noted."""

    def __init__(self, model, registry, max_rows=64, hooks=None):
        self.model, self.registry, self.hooks = model, registry, hooks
        self.passes = []
        self.steps = defaultdict(list)
        self.ends = {}
        self.backends = Backends(registry.attention, resolve)
        self.denoiser = Denoiser(partial(apply, self.backends), max_rows, self.passes.append)

    @torch.inference_mode()
    def add(self, name, request, alone=False, model=None, refiner=None):
        """A lane for the request's first batch joins; `name` is its key in `ends` and `steps`."""
        run = Run(name, request, frozenset(), alone, [])
        run.models = [model or self.model, *([refiner] if refiner else [])]
        reading = Reading(request.emphasis, request.comma_padding_backtrack)
        purpose = Purpose(request.width, request.height, clip_skip=request.clip_skip, reading=reading)
        calls = calls_of(request.steps, self.registry.samplers.get(request.sampler_name).order)
        texts = Texts(Conditioner(), Plugins(), request, Wordings(request, calls, emphasis=True))
        run.passes = [Pass(request, None, guides=[texts.guide(each, purpose, {}) for each in run.models])]
        lane = make_lane(
            run, self.registry, resolve, self.hooks,
            lambda lane: self.steps[name].append(lane.done_steps), lambda end: self.ends.__setitem__(name, end),
            plugins=Plugins(),
        )  # fmt: skip
        self.denoiser.add(lane)
        return lane

    @torch.inference_mode()
    def turn(self, count=1):
        """So many turns."""
        for _ in range(count):
            self.denoiser.turn()

    @torch.inference_mode()
    def run(self):
        """Turns until no lane has a question; the pictures by name, as integers (batch, height, width, 3)."""
        while self.denoiser.busy:
            self.denoiser.turn()
        for end in self.ends.values():
            if end.error is not None:
                raise end.error
        return {name: self.model.decode(end.latents).numpy().astype(int) for name, end in self.ends.items()}

    @property
    def rows(self):
        """Rows of each forward pass so far."""
        return [forward.rows for forward in self.passes]
