"""What a request asks of an extension reaches its hooks in the worker, and the picture's text."""

import pytest

from tests.engine.helpers import pixels, running
from webui.core import infotext
from webui.core.events import Failed
from webui.core.frozen import FrozenMap
from webui.plugins.loader import build_registry, load_plugins

EXTENSION = """
from webui.extend import Field, hookimpl

@hookimpl
def fields():
    return [Field("shift", "int", "Shift", "Pixels to the right.", 0, minimum=0, maximum=10, step=1)]
"""
WORKER = """
from PIL import ImageChops
from webui.extend import hookimpl

@hookimpl
def image_ready(image, options):
    return ImageChops.offset(image, options["shift"], 0)
"""


@pytest.fixture
def shifting(tmp_path):
    home = tmp_path / "extensions" / "demo"
    home.mkdir(parents=True)
    (home / "extension.toml").write_text('name = "demo"\nversion = "1.0"\ntitle = "Demo"\napi = "1"\n')
    (home / "extension.py").write_text(EXTENSION)
    (home / "worker.py").write_text(WORKER)
    plugins = load_plugins((tmp_path / "extensions",), "worker")
    assert [report.ok for report in plugins.reports] == [True], plugins.reports
    return plugins


def test_the_hook_sees_the_request_s_values_and_the_text_says_them(tiny_checkpoint, shifting, ask):
    registry = build_registry(shifting)
    with running(tiny_checkpoint.parent, registry, shifting) as bench:
        [plain] = bench.make(ask())
        [moved] = bench.make(ask(extensions=FrozenMap({"demo": FrozenMap({"shift": 3})})))
    before, after = pixels(plain[0]), pixels(moved[0])
    assert (after[:, 3:] == before[:, :-3]).all() and (after[:, :3] == before[:, -3:]).all()
    assert "Demo" not in plain[0].infotext and ", Demo Shift: 3, Version: " in moved[0].infotext
    assert infotext.parse(moved[0].infotext, registry.panels).values["extensions"] == {"demo": {"shift": 3}}


def test_a_job_that_names_an_extension_which_is_not_loaded_here_fails(tiny_checkpoint, registry, plugins, ask):
    with running(tiny_checkpoint.parent, registry, plugins) as bench:
        bench.engine.submit("a", ask(extensions=FrozenMap({"gone": FrozenMap({"x": 1})})))
        end = bench.heard.end("a")
    assert isinstance(end, Failed) and "Unknown extension 'gone'" in end.problem.detail


SAMPLER = """
from webui.extend import Field, Sampler, hookimpl

@hookimpl
def fields():
    return [Field("share", "float", "Share", "Of each step.", 1.0, minimum=0.1, maximum=1.0, step=0.1)]

@hookimpl
def samplers():
    return [Sampler("Shared", "worker:shared")]
"""
SHARED = """
from itertools import pairwise
from webui.extend.worker import Ask

def shared(x, context):
    for step, (sigma, following) in enumerate(pairwise(context.sigmas)):
        answer = yield Ask(x, sigma, step)
        x = x + (x - answer.denoised) / sigma * (following - sigma) * context.own["share"]
    return x
"""


def test_a_sampler_has_fields_of_its_own(tiny_checkpoint, tmp_path, ask):
    home = tmp_path / "extensions" / "shares"
    home.mkdir(parents=True)
    (home / "extension.toml").write_text('name = "shares"\nversion = "1.0"\napi = "1"\n')
    (home / "extension.py").write_text(SAMPLER)
    (home / "worker.py").write_text(SHARED)
    plugins = load_plugins((tmp_path / "extensions",), "worker")
    assert [report.ok for report in plugins.reports] == [True], plugins.reports
    half = FrozenMap({"shares": FrozenMap({"share": 0.5})})
    with running(tiny_checkpoint.parent, build_registry(plugins), plugins) as bench:
        euler, whole, part = bench.make(
            ask(sampler_name="Euler"), ask(sampler_name="Shared"), ask(sampler_name="Shared", extensions=half)
        )
    assert abs(pixels(euler[0]) - pixels(whole[0])).max() <= 1
    assert abs(pixels(part[0]) - pixels(whole[0])).max() > 20
