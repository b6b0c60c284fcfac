"""One extension with every hook, in the whole house with a real worker: each is called, in its process, in order."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

from PIL import Image

from tests.engine.helpers import write_checkpoint
from tests.jobs.helpers import with_loop
from webui.app import compose
from webui.core.job import LOCAL_OWNER, State
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.engine.config import EngineConfig
from webui.jobs.executors.local import LocalExecutor
from webui.plugins import hooks

SAY = """
import os
from pathlib import Path

def say(what):
    with (Path(__file__).parent / "told.txt").open("a") as file:
        file.write(f"{os.getpid()} {what}\\n")
"""
WEB = """
from webui.extend import Field, Finished, Guidance, MetadataReader, PostProcessing, Route, Sampler, Schedule
from webui.extend import Script, Setting, hookimpl
from .saying import say

@hookimpl
def fields():
    return [Field("enabled", "bool", "Enable", "On.", False)]

@hookimpl
def samplers():
    return [Sampler("Own", "worker:sampled")]

@hookimpl
def schedules():
    return [Schedule("Own levels", "worker:levels")]

@hookimpl
def settings():
    return [Setting("key", "text", "Key", "A key.", "", secret=True)]

@hookimpl
def guidance():
    return [Guidance("own", "worker:own")]

@hookimpl
def post_processing():
    return [PostProcessing("same", "Same", "worker:same")]

@hookimpl
def scripts():
    return [Script("once", "Once", "extension:once")]

@hookimpl
def routes():
    return [Route("hello", "extension:hello")]

@hookimpl
def metadata_readers():
    return [MetadataReader("none", "None", "extension:look")]

def look(file):
    say("metadata_readers")

def once(request, options):
    say("scripts")
    yield [request]

def hello(asked):
    say("routes")
    return {}

@hookimpl
def job_event(job_id, event):
    if isinstance(event, Finished):
        say("job_event")

@hookimpl
def job_finished(job):
    say(f"job_finished {job.task}")
"""
WORKER = """
from webui.extend import hookimpl
from webui.extend.worker import Ask
from .saying import say

def own(guided):
    assert guided.options["enabled"]
    say("guidance")
    return guided.denoised

def levels(steps, model):
    say("schedules")
    return [model.sigma_max, 0.0]

def sampled(x, context):
    say("samplers")
    answer = yield Ask(x, context.sigmas[0], 0)
    return answer.denoised

def same(image, options):
    say("post_processing")
    return image
"""
HOOK = """
@hookimpl
def {name}({arguments}):
    say("{name}")
"""
ARGUMENTS = {"transform_prompt": "prompt", "patch_model": "model", "image_ready": "image", "before_saving": "saving"}


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


@with_loop
async def test_every_hook_is_called_in_its_process(tmp_path: Path) -> None:
    paths = Paths(data_dir=tmp_path, program_dir=tmp_path)
    write_checkpoint(paths.model_folders.checkpoints[0] / "tiny")
    home = tmp_path / "extensions" / "every"
    home.mkdir(parents=True)
    worker = WORKER + "".join(
        HOOK.format(name=name, arguments=ARGUMENTS.get(name, "conditioning" if "cond" in name else "latents"))
        for name in hooks.WORKER
    )
    for name, text in {"extension": WEB, "worker": worker, "saying": SAY}.items():
        (home / f"{name}.py").write_text(text, encoding="utf-8")
    (home / "extension.toml").write_text('name = "every"\nversion = "1"\napi = "1"\n', encoding="utf-8")
    config = EngineConfig(
        model_folders=paths.model_folders, device="cpu", threads=1, extension_folders=paths.extensions
    )
    house = compose(paths, SettingsStore(paths.settings), [LocalExecutor(config)])
    values = {
        "prompt": "a red",
        "steps": 1,
        "width": 64,
        "height": 64,
        "sampler_name": "Own",
        "scheduler": "Own levels",
    }
    async with house.running() as service:
        job = await service.scripts.submit("once", {**values, "extensions": {"every": {"enabled": True}}}, LOCAL_OWNER)
        async for _ in service.follow(LOCAL_OWNER, job.id):
            pass
        assert house.queue.get(job.id).state is State.DONE, house.queue.get(job.id).problem
        await service.extension_routes.answer("every", "hello", "GET", {}, LOCAL_OWNER)
        await service.picture_reading.read(encoded(), LOCAL_OWNER)
        while "job_finished script" not in (home / "told.txt").read_text("utf-8"):
            await asyncio.sleep(0.05)
    found = told(home / "told.txt")
    web = found.pop(str(os.getpid()))
    ((_, made),) = found.items()
    assert made == [
        *("transform_prompt", "transform_conditioning", "transform_conditioning", "patch_model"),
        *("schedules", "before_sampling", "samplers", "before_step", "guidance", "after_step"),
        *("before_decoding", "image_ready", "post_processing", "before_saving"),
    ]
    assert web[0] == "scripts" and sorted(web[1:]) == [
        *("job_event", "job_event", "job_finished script", "job_finished txt2img", "metadata_readers", "routes")
    ]
