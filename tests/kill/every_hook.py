"""An extension with every hook there is: each says so, in its folder's told.txt, with the process it runs in."""

from __future__ import annotations

from pathlib import Path

from tests.engine.test_stranger_family import WORKER as TOYS
from webui.plugins import hooks

SAY = """
import os
from pathlib import Path

def say(what):
    with (Path(__file__).parent / "told.txt").open("a") as file:
        file.write(f"{os.getpid()} {what}\\n")
"""
WEB = """
from dataclasses import dataclass
from pathlib import Path

from webui.extend import Architecture, AttentionBackend, Command, Family, Field, Finished, Form, Guidance
from webui.extend import MetadataReader, ModelSource, ModelWork, Need, NotFound, PostProcessing, Route, Sampler
from webui.extend import Schedule, Script, Setting, Tab, Work, hookimpl, option
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

@hookimpl
def families():
    return [Family("toy", "Toy", "worker:load", needs=(Need("toy", "own-net"),), count_tokens="extension:count",
                   native_size=64, sizes=((64, 64),), size_multiple=16, steps=1, cfg_scale=1.0)]

@hookimpl
def architectures():
    return [Architecture("own-net", "Own net", "denoiser", "extension:recognise", "worker:build",
                         {"plain": "webui.engine.layouts.base:same"})]

@hookimpl
def attention_backends():
    return [AttentionBackend("own-attention", "Own", "worker:attention")]

@hookimpl
def model_sources():
    return [ModelSource("shop", "Shop", "extension:shop")]

@hookimpl
def tabs():
    return [Tab("Own", "ui:build", "tab_own", 95)]

@hookimpl
def commands():
    return [Command("own-command", "extension:command", "Own.")]

@dataclass(frozen=True, slots=True)
class Made(ModelWork):
    text: str = option("", "What is written.")

@dataclass(frozen=True)
class Files:
    target: Path

@hookimpl
def works():
    return [Work("own-work", "Own", Made, "extension:accept", "extension:files", "extension:write")]

def recognise(names, config):
    shape = names.shape("toy.colours")
    if shape:
        say("architectures: recognised")
    return Form("plain", {"colours": shape[0]}) if shape else None

def count(checkpoint, text):
    say("families: counted")
    return len(text.split()), 10

def shop(wanted):
    say("model_sources")
    raise NotFound("The shop is shut.")

def command(arguments):
    say("commands")
    return 0

def accept(request, library):
    say("works: accepted")
    return request

def files(request, library):
    say("works: found")
    return Files(library.models / "made.txt")

def write(request, files, progress, should_stop):
    say("works: done")
    files.target.write_text("made")
    return files.target

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
import torch
from webui.extend import hookimpl
from webui.extend.worker import Ask
from . import toys
from .saying import say

def load(checkpoint, reader):
    say("families")
    return toys.load(checkpoint, reader)

def build(config, facts):
    say("architectures")
    return toys.build(config, facts)

def attention(place):
    say("attention_backends")
    return lambda query, key, value, mask=None, scale=None: torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scale)

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
UI = """
from .saying import say

def build(page):
    say("tabs")
"""
HOOK = """
@hookimpl
def {name}({arguments}):
    say("{name}")
"""
ARGUMENTS = {"transform_prompt": "prompt", "patch_model": "model", "image_ready": "image", "before_saving": "saving"}


def write_every(home: Path) -> None:
    """The extension, in this folder."""
    home.mkdir(parents=True)
    worker = WORKER + "".join(
        HOOK.format(name=name, arguments=ARGUMENTS.get(name, "conditioning" if "cond" in name else "latents"))
        for name in hooks.WORKER
    )
    modules = {
        "extension": WEB,
        "worker": worker,
        "saying": SAY,
        "ui": UI,
        "toys": TOYS.replace("(64, 32)", "(64, 64)"),
    }
    for name, text in modules.items():
        (home / f"{name}.py").write_text(text, encoding="utf-8")
    (home / "extension.toml").write_text('name = "every"\nversion = "1"\napi = "1"\n', encoding="utf-8")
    missing = [hook for hook in (*hooks.COLLECTING, *hooks.WEB) if f"def {hook}(" not in WEB]
    assert not missing, missing
