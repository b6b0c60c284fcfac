"""An extension that raises wherever it is called: each fails the job that it was called for, is named, and no more."""

import pytest

from tests.engine.helpers import running
from tests.engine.test_hooks import extension, hook
from webui.core.events import Failed, Finished
from webui.plugins import hooks
from webui.plugins.loader import build_registry

ROWS = """
from webui.extend import Schedule

@hookimpl
def samplers():
    return [Sampler("Broken", "worker:samplers")]

@hookimpl
def schedules():
    return [Schedule("Broken levels", "worker:schedules")]

@hookimpl
def guidance():
    return [Guidance("broken", "worker:guidance")]

@hookimpl
def post_processing():
    return [PostProcessing("broken", "Broken", "worker:post_processing")]
"""
FUNCTIONS = """
from webui.extend.worker import Ask

def samplers(x, context):
    yield Ask(x, context.sigmas[0], 0)
    raise KeyError("samplers")

def schedules(steps, model):
    raise KeyError("schedules")

def guidance(guided):
    if guided.request.prompt == "guidance":
        raise KeyError("guidance")
    return guided.denoised

def post_processing(image, request):
    if request.prompt == "post_processing":
        raise KeyError("post_processing")
    return image
"""
ARGUMENTS = {"transform_prompt": "prompt", "patch_model": "model", "image_ready": "image", "before_saving": "saving"}
OF_ROWS = ("samplers", "schedules", "guidance", "post_processing")
CHOSEN = {"samplers": {"sampler_name": "Broken"}, "schedules": {"scheduler": "Broken levels"}}


def raising(name):
    """The source of a hook that raises for the job whose prompt is its name."""
    given = ARGUMENTS.get(name, "conditioning" if "cond" in name else "latents")
    return hook(name, f"{given}, request", f"if request.prompt == '{name}':", f"    raise KeyError('{name}')")


@pytest.fixture(scope="module")
def bench(tmp_path_factory, tiny_checkpoint):
    """An engine with the extension, for all of these tests."""
    folder = tmp_path_factory.mktemp("raising")
    plugins = extension(folder, FUNCTIONS + "".join(map(raising, hooks.WORKER)), rows=ROWS)
    with running(tiny_checkpoint.parent, build_registry(plugins), plugins) as made:
        yield made


@pytest.mark.parametrize("name", [*hooks.WORKER, *OF_ROWS])
def test_what_raises_fails_its_job_and_no_other(bench, ask, name):
    bench.engine.submit(name, ask(prompt=name, steps=1, **CHOSEN.get(name, {})))
    bench.engine.submit(f"beside {name}", ask(prompt="a red house", steps=1))
    end = bench.heard.end(name)
    assert isinstance(end, Failed) and end.problem.type == "extension"
    assert end.problem.detail == f"The extension 'pusher' failed in {name}: KeyError: '{name}'."
    assert isinstance(bench.heard.end(f"beside {name}"), Finished)
