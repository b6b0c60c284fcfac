"""Runs in the peer's process: StableDiffusionPipeline and bare UNet forwards, timed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from tools.bench.peer import PeerSetup
from webui.engine.device import choose_device, choose_dtype, describe_device

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Euler": ("EulerDiscreteScheduler", {"timestep_spacing": "linspace"}),
    "Euler a": ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "linspace"}),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "DDIM": ("DDIMScheduler", {}),
    "UniPC (diffusers)": ("UniPCMultistepScheduler", {}),
}
"""Our samplers' names as diffusers' classes: as near as they have it, one UNet call a step each."""


class Pipeline:
    """The stock pipeline with everything the user guide tells to switch off for speed of one picture: nothing."""

    def __init__(self, setup: PeerSetup) -> None:
        if setup.threads:
            torch.set_num_threads(setup.threads)
        self.device = choose_device(setup.device)
        dtype = choose_dtype(setup.precision, self.device)
        self._level = setup.compress_level
        self._pipe = diffusers.StableDiffusionPipeline.from_pretrained(
            setup.model,
            dtype=dtype,
            variant=setup.variant,
            safety_checker=None,
            requires_safety_checker=False,
            local_files_only=True,
        ).to(self.device)
        self._pipe.set_progress_bar_config(disable=True)
        self._config = self._pipe.scheduler.config

    def picture(self, values: dict[str, Any], path: Path) -> float:
        kind, options = SCHEDULERS[values["sampler_name"]]
        self._pipe.scheduler = getattr(diffusers, kind).from_config(self._config, **options)
        generator = torch.Generator("cpu").manual_seed(values["seed"])
        start = time.perf_counter()
        with torch.inference_mode():
            image = self._pipe(
                values["prompt"],
                negative_prompt=values.get("negative_prompt", ""),
                num_inference_steps=values["steps"],
                guidance_scale=values["cfg_scale"],
                width=values["width"],
                height=values["height"],
                generator=generator,
            ).images[0]
        image.save(path, compress_level=self._level)
        return time.perf_counter() - start

    def curve(self, rows: list[int], size: tuple[int, int], repeats: int) -> dict[int, float]:
        unet, found = self._pipe.unet, {}
        options: dict[str, Any] = {"device": self.device, "dtype": unet.dtype}
        for count in rows:
            # Fresh inputs: repeated ones could sit in caches that real latents do not.
            latents = torch.randn(count, unet.config.in_channels, size[1] // 8, size[0] // 8, **options)
            context = torch.randn(count, 77, unet.config.cross_attention_dim, **options)
            steps = torch.linspace(1, 999, count, device=self.device)
            found[count] = self._best(partial(unet, latents, steps, context, return_dict=False), repeats)
        return found

    def decode(self, count: int, size: tuple[int, int], repeats: int) -> float:
        vae = self._pipe.vae
        latents = torch.randn(count, 4, size[1] // 8, size[0] // 8, device=self.device, dtype=vae.dtype)
        return self._best(partial(vae.decode, latents, return_dict=False), repeats)

    def _best(self, forward: Callable[[], tuple[torch.Tensor, ...]], repeats: int) -> float:
        times = []
        with torch.inference_mode():
            for _ in range(repeats + 1):
                start = time.perf_counter()
                forward()[0].flatten()[0].item()  # Waits for the device.
                times.append(time.perf_counter() - start)
        return min(times[1:])


def serve(pipe: Connection, setup: PeerSetup) -> None:
    """Answer the parent until it hangs up."""
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    pipeline = Pipeline(setup)
    verbs: dict[str, Callable[..., Any]] = {
        "picture": pipeline.picture,
        "curve": pipeline.curve,
        "decode": pipeline.decode,
    }
    pipe.send((pipeline.device.type, describe_device(pipeline.device)))
    while True:
        try:
            verb, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, verbs[verb](*arguments)))
        except Exception:  # noqa: BLE001  the parent raises it
            pipe.send((False, traceback.format_exc()))
