"""One extension with every hook, in the whole house with a real worker: each is called, in its process, in order."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.engine.helpers import write_checkpoint
from tests.jobs.helpers import with_loop
from tests.kill.every_hook import write_every
from webui.app import House, compose, workshop
from webui.cli import main
from webui.core.errors import NotFound
from webui.core.job import LOCAL_OWNER, Job, State
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.engine.config import EngineConfig
from webui.jobs.executors.local import LocalExecutor
from webui.ui.blocks import build_blocks


def encoded() -> bytes:
    """A picture that says nothing."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="PNG")
    return file.getvalue()


def told(file: Path) -> dict[str, list[str]]:
    """What was said, by the process."""
    found: dict[str, list[str]] = {}
    for line in file.read_text("utf-8").splitlines():
        process, _, words = line.partition(" ")
        found.setdefault(process, []).append(words)
    return found


async def ended(house: House, job: Job) -> None:
    """Wait until the job is done."""
    async for _ in house.service.follow(LOCAL_OWNER, job.id):
        pass
    assert house.queue.get(job.id).state is State.DONE, house.queue.get(job.id).problem


@with_loop
async def test_every_hook_is_called_in_its_process(tmp_path: Path) -> None:
    paths = Paths(data_dir=tmp_path, program_dir=tmp_path)
    models = paths.model_folders.checkpoints[0]
    write_checkpoint(models / "tiny")
    save_file({"toy.colours": torch.tensor([0.5, 1.0, 2.0])}, models / "train.safetensors")
    home = tmp_path / "extensions" / "every"
    write_every(home)
    config = EngineConfig(
        model_folders=paths.model_folders, device="cpu", threads=1, extension_folders=paths.extensions
    )
    settings = SettingsStore(paths.settings)
    house = compose(paths, settings, [LocalExecutor(config), workshop(paths, settings)])
    common = {"prompt": "a red", "steps": 1, "width": 64, "height": 64}
    own = {"sampler_name": "Own", "scheduler": "Own levels", "attention": "own-attention", "checkpoint": "tiny"}
    async with house.running() as service:
        build_blocks(service, lambda request: LOCAL_OWNER)
        # Its process starts meanwhile.
        work = await service.works.submit("own-work", {"text": "a"}, LOCAL_OWNER)
        values = {**common, **own, "extensions": {"every": {"enabled": True}}}
        await ended(house, await service.scripts.submit("once", values, LOCAL_OWNER))
        toy = {**common, "sampler_name": "Euler", "checkpoint": "train"}
        await ended(house, await service.submit(toy, LOCAL_OWNER))
        await service.extension_routes.answer("every", "hello", "GET", {}, LOCAL_OWNER)
        await service.picture_reading.read(encoded(), LOCAL_OWNER)
        service.count_tokens("one two", "train")
        with pytest.raises(NotFound, match="The shop is shut"):
            await service.works.look({"address": "shop:1"}, LOCAL_OWNER)
        await ended(house, work)
        while "job_finished own-work" not in (home / "told.txt").read_text("utf-8"):
            await asyncio.sleep(0.05)
    assert await asyncio.to_thread(main, ["--data-dir", str(tmp_path), "own-command"]) == 0
    found = told(home / "told.txt")
    web = found.pop(str(os.getpid()))
    worker, shop = sorted(found.values(), key=len, reverse=True)
    # Each process that lists models looks at their files once, whenever it comes to that.
    for process in (web, worker):
        process.remove("architectures: recognised")
    assert worker == [
        *("transform_prompt", "transform_conditioning", "transform_conditioning", "attention_backends", "patch_model"),
        *("schedules", "before_sampling", "samplers", "before_step", "guidance", "after_step"),
        *("before_decoding", "image_ready", "post_processing", "before_saving"),
        # The second picture is of its family, has one text and uses none of its other rows.
        *("families", "architectures", "transform_prompt", "transform_conditioning", "patch_model"),
        *("before_sampling", "before_step", "after_step", "before_decoding", "image_ready", "before_saving"),
    ]
    assert shop == ["works: found", "works: done"]
    followed = [words for words in web if words.startswith("job_")]
    assert [words for words in web if words not in followed] == [
        *("tabs", "works: accepted", "scripts", "routes", "metadata_readers", "families: counted", "model_sources"),
        "commands",
    ]
    assert sorted(followed) == [
        *("job_event",) * 4,
        *("job_finished own-work", "job_finished script", "job_finished txt2img", "job_finished txt2img"),
    ]
