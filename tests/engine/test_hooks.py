"""Step hooks of an extension: chained, named when they fail, and obeyed by every sampler."""

import pytest
import torch

from tests.engine.helpers import Loop, pixels, running
from webui.core.events import Failed
from webui.engine.hooks import PluginStepHooks
from webui.plugins.builtin.samplers import samplers
from webui.plugins.loader import load_plugins

# Those that add noise of their own keep the seed's noise in later steps.
NOISY = {
    *("Euler a", "DPM++ 2S a", "DPM2 a", "DPM fast", "DPM adaptive", "LCM", "DDPM"),
    *("DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"),
    *(f"{name} (diffusers)" for name in ("SA-Solver", "Euler a", "DPM2 a", "DDPM", "DDPM parallel", "unCLIP")),
    *(f"{name} (diffusers)" for name in ("Würstchen DDPM", "CogVideoX DPM", "LCM", "TCD", "SCM", "Consistency")),
    *(f"{name} (diffusers)" for name in ("Flow LCM", "LTX Euler a")),
}
DETERMINISTIC = [row.name for row in samplers() if row.name not in NOISY]

EXTENSION = """
from webui.extend import hookimpl

@hookimpl
def {hook}({arguments}):
    {body}
"""


def extension(folder, hook, arguments, body):
    """The plugins with one extension whose worker.py has one hook."""
    home = folder / "extensions" / "pusher"
    home.mkdir(parents=True)
    (home / "extension.toml").write_text('name = "pusher"\nversion = "1.0"\ntitle = "Pusher"\napi = "1"\n')
    (home / "worker.py").write_text(EXTENSION.format(hook=hook, arguments=arguments, body=body))
    plugins = load_plugins((folder / "extensions",), "worker")
    assert [report.ok for report in plugins.reports] == [True], plugins.reports
    return plugins


class Restart:
    """Before the first step, replaces the latents by fixed ones."""

    def __init__(self, latents):
        self.latents = latents

    def before_step(self, latents, step):
        return self.latents.clone() if step == 0 else latents

    def after_step(self, latents, step):
        return latents


@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_a_sampler_goes_on_from_what_the_hook_gave(tiny, registry, ask, sampler):
    fixed = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 10
    loop = Loop(tiny, registry, hooks=Restart(fixed))
    for seed in (1, 2):
        loop.add(seed, ask(sampler_name=sampler, seed=seed))
    pictures = loop.run()
    assert abs(pictures[1] - pictures[2]).max() <= 1


def test_without_hooks_nothing_is_spent(plugins):
    assert PluginStepHooks.of(plugins) is None


def test_an_extension_s_hook_changes_the_picture(tmp_path, tiny_checkpoint, registry, plugins, ask):
    pushing = extension(tmp_path, "before_step", "latents, step", "return latents + 2.0 if step == 1 else None")
    pictures = []
    for loaded in (plugins, pushing):
        with running(tiny_checkpoint.parent, registry, loaded) as bench:
            [made] = bench.make(ask())
            pictures.append(pixels(made[0]))
    assert abs(pictures[0] - pictures[1]).max() > 2


@pytest.mark.parametrize(
    ("hook", "arguments"), [("before_step", "latents"), ("after_step", "step"), ("image_ready", "image")]
)
def test_a_failing_hook_fails_the_job_and_is_named(tmp_path, tiny_checkpoint, registry, ask, hook, arguments):
    failing = extension(tmp_path, hook, arguments, "raise KeyError('lost')")
    with running(tiny_checkpoint.parent, registry, failing) as bench:
        bench.engine.submit("a", ask())
        end = bench.heard.end("a")
    assert isinstance(end, Failed) and "'pusher' failed in " + hook in end.problem.detail


def test_image_ready_may_replace_the_picture(tmp_path, tiny_checkpoint, registry, ask):
    turning = extension(tmp_path, "image_ready", "image, request", "return image.rotate(90, expand=True)")
    with running(tiny_checkpoint.parent, registry, turning) as bench:
        [made] = bench.make(ask(width=128))
    assert (made[0].width, made[0].height) == (64, 128) == pixels(made[0]).shape[1::-1]
