"""Hooks of extensions while pictures are made: their order, what they may change, and how what goes wrong is named."""

import io
import sys

import pytest
import torch
from PIL import Image

from tests.engine.helpers import Loop, pixels, running
from webui.core.errors import ExtensionProblem
from webui.core.events import Failed
from webui.core.frozen import FrozenMap
from webui.core.infotext import parse
from webui.engine.guidance import Guided
from webui.engine.hooks import LaneHooks, Numbers, of_the_loop, transformed
from webui.images.metadata import read
from webui.plugins import hooks
from webui.plugins.builtin.samplers import samplers
from webui.plugins.calls import Bound
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.meter import Call, Meter
from webui.plugins.resolve import resolve

HEAD = """from contextlib import contextmanager
from webui.extend import Field, Guidance, PostProcessing, Sampler, hookimpl
from webui.extend.worker import replaced
"""

# Those that add noise of their own keep the seed's noise in later steps.
NOISY = {
    *("Euler a", "DPM++ 2S a", "DPM2 a", "DPM fast", "DPM adaptive", "LCM", "DDPM"),
    *("DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"),
    *(f"{name} (diffusers)" for name in ("SA-Solver", "Euler a", "DPM2 a", "DDPM", "DDPM parallel", "unCLIP")),
    *(f"{name} (diffusers)" for name in ("DPM-Solver SDE", "Cosine DPM-Solver++")),
    *(f"{name} (diffusers)" for name in ("Würstchen DDPM", "CogVideoX DPM", "LCM", "TCD", "SCM", "Consistency")),
    *(f"{name} (diffusers)" for name in ("Flow LCM", "LTX Euler a")),
}
DETERMINISTIC = [row.name for row in samplers() if row.name not in NOISY]


def extension(folder, worker, name="pusher", manifest="", rows=""):
    """The plugins with one more extension, of this worker.py and these rows, in a folder."""
    home = folder / "extensions" / name
    home.mkdir(parents=True)
    (home / "extension.toml").write_text(f'name = "{name}"\nversion = "1.0"\napi = "1"\n{manifest}')
    (home / "worker.py").write_text(HEAD + worker)
    if rows:
        (home / "extension.py").write_text(HEAD + rows)
    plugins = load_plugins((folder / "extensions",), "worker")
    assert all(report.ok for report in plugins.reports), plugins.reports
    return plugins


def hook(name, arguments, *body):
    """The source of a hook."""
    return f"@hookimpl\ndef {name}({arguments}):\n" + "".join(f"    {line}\n" for line in body)


def told_by(name):
    """What an extension's worker.py has noted in its SEEN."""
    return sys.modules[f"darkroom_extension_{name}.worker"].SEEN


class Restart(LaneHooks):
    """Before the first step, replaces the latents by fixed ones."""

    def __init__(self, latents):
        super().__init__()
        self.latents = latents

    def before_step(self, latents, step, sigma, place=None):
        return self.latents.clone() if step == 0 else latents


@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_a_sampler_goes_on_from_what_the_hook_gave(tiny, registry, ask, sampler):
    fixed = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 10
    loop = Loop(tiny, registry, hooks=Restart(fixed))
    for seed in (1, 2):
        loop.add(seed, ask(sampler_name=sampler, seed=seed))
    pictures = loop.run()
    assert abs(pictures[1] - pictures[2]).max() <= 1


def test_without_hooks_nothing_is_spent(plugins, tiny, ask):
    assert LaneHooks.of(plugins, ask(), tiny, resolve) is None


def made(folder, registry, plugins, *requests):
    """The pictures of each request, all submitted at once, and the rows of the forward passes."""
    with running(folder, registry, plugins) as bench:
        found = bench.make(*requests)
        return found, [forward.rows for forward in bench.gate.passes]


SEEING = """
SEEN = []
NAME = __name__.split("_")[-1].split(".")[0]

def see(hook):
    SEEN.append(hook)

@hookimpl
def transform_prompt(prompt, negative_prompt, index, seed, request, options):
    see(("transform_prompt", index, seed))
    return prompt + " " + NAME, negative_prompt

@hookimpl
def transform_conditioning(conditioning, negative):
    see(("transform_conditioning", negative))

@hookimpl
def patch_model(model):
    see("patch_model")

@hookimpl
def before_sampling(latents, sigma):
    see(("before_sampling", tuple(latents.shape), sigma > 1))

@hookimpl
def before_step(latents, step):
    see(("before_step", step))

@hookimpl
def after_step(latents, step):
    see(("after_step", step))

@hookimpl
def before_decoding(latents, index):
    see(("before_decoding", index))

@hookimpl
def image_ready(image, index):
    see(("image_ready", index))

@hookimpl
def before_saving(saving, image, index):
    see(("before_saving", index))
    return saving.but({"Order": str(saving.infotext.get("Order", "")) + NAME}, {"order": NAME})
"""


def test_every_hook_is_called_in_the_documented_order(tmp_path, tiny_checkpoint, registry, ask):
    extension(tmp_path, SEEING, "one", 'after = ["two"]')
    plugins = extension(tmp_path, SEEING, "two")
    [pictures], _ = made(tiny_checkpoint.parent, registry, plugins, ask(steps=2, batch_size=2))
    steps = [("before_step", 0), ("after_step", 0), ("before_step", 1), ("after_step", 1)]
    each = [[("before_decoding", n), ("image_ready", n), ("before_saving", n)] for n in (0, 1)]
    assert told_by("one") == told_by("two")
    assert told_by("one") == [
        *(("transform_prompt", 0, 7), ("transform_prompt", 1, 8)),
        # Both pictures have the same words, and none has the request's own.
        *(("transform_conditioning", False), ("transform_conditioning", True)),
        *("patch_model", ("before_sampling", (2, 4, 8, 8), True)),
        *steps,
        *each[0],
        *each[1],
    ]
    assert set(hooks.WORKER) == {entry if isinstance(entry, str) else entry[0] for entry in told_by("one")}
    found = read(pictures[1].data)
    assert found.infotext.startswith("a red house two one\n") and "Order: twoone" in found.infotext
    assert Image.open(io.BytesIO(pictures[1].data)).info["order"] == "one"
    times = {(time.extension, time.hook): time.calls for time in plugins.meter.times}
    assert times[("one", "before_step")] == 2 and times[("two", "before_saving")] == 2


def test_a_prompt_of_its_own_makes_the_picture_that_this_prompt_makes(
    tmp_path, tiny_checkpoint, registry, plugins, ask
):
    body = "return (prompt.replace('COLOUR', ('red', 'blue')[index]), negative_prompt)"
    own = extension(tmp_path, hook("transform_prompt", "prompt, negative_prompt, index", body))
    [pictures], rows = made(tiny_checkpoint.parent, registry, own, ask(prompt="a COLOUR house", batch_size=2))
    [red], [blue] = (
        made(tiny_checkpoint.parent, registry, plugins, ask(prompt=f"a {colour} house", seed=seed))[0]
        for colour, seed in (("red", 7), ("blue", 8))
    )
    assert rows == [4] * 4
    assert abs(pixels(pictures[0]) - pixels(red[0])).max() <= 1
    assert abs(pixels(pictures[1]) - pixels(blue[0])).max() <= 1
    found = parse(pictures[1].infotext)
    assert (found.prompt, found.unknown["Template"]) == ("a blue house", "a COLOUR house")
    assert read(pictures[1].data).request["prompt"] == "a COLOUR house"


def test_a_conditioning_of_its_own_is_what_the_model_sees(tmp_path, tiny_checkpoint, registry, plugins, ask):
    body = "return None if negative else dataclasses.replace(conditioning, context=conditioning.context * 0.0)"
    own = extension(tmp_path, "import dataclasses\n" + hook("transform_conditioning", "conditioning, negative", body))
    pictures = [made(tiny_checkpoint.parent, registry, p, ask())[0][0][0] for p in (plugins, own)]
    assert abs(pixels(pictures[0]) - pixels(pictures[1])).max() > 1


GUIDANCE = """
@hookimpl
def guidance():
    return [Guidance("prompt alone", "worker:alone")]
"""


def test_a_guidance_function_makes_the_prediction(tmp_path, tiny_checkpoint, registry, plugins, ask):
    body = "def alone(guided):\n    assert guided.scale == 9 and guided.steps == 4\n    return guided.cond\n"
    own = extension(tmp_path, body, rows=GUIDANCE)
    [changed], _ = made(tiny_checkpoint.parent, registry, own, ask(cfg_scale=9))
    [plain], _ = made(tiny_checkpoint.parent, registry, plugins, ask(cfg_scale=1))
    assert abs(pixels(changed[0]) - pixels(plain[0])).max() <= 1


def guiding(function):
    """A lane's hooks with one guidance function."""
    return LaneHooks(guidance=[Bound(Call("mine", "guidance", function, ("guided",)), {"options": {}}, Meter())])


def test_lanes_of_different_guidance_share_their_passes(tiny, registry, ask):
    loop = Loop(tiny, registry)
    loop.add("plain", ask())
    loop.hooks = guiding(lambda guided: guided.cond)
    loop.add("own", ask())
    pictures = loop.run()
    assert loop.rows == [4] * 4
    assert abs(pictures["plain"] - pictures["own"]).max() > 1


PATCHING = """
SEEN = []

@hookimpl
@contextmanager
def patch_model(model, request):
    if request.seed == 8:
        yield
        return
    SEEN.append("in")
    plain = model.denoiser.forward
    def forward(*arguments, **named):
        answer = plain(*arguments, **named)
        return (answer[0] * 0.5,) if isinstance(answer, tuple) else type(answer)(sample=answer.sample * 0.5)
    with replaced(model.denoiser, forward=forward):
        yield
    SEEN.append("out")
"""


def test_a_patched_model_is_itself_again_after_each_pass_and_shared_with_nobody(tmp_path, tiny, registry, ask):
    plugins = extension(tmp_path, PATCHING)
    loop = Loop(tiny, registry)
    loop.add("plain", ask())
    alone = loop.run()["plain"]
    loop = Loop(tiny, registry)
    loop.add("plain", ask())
    loop.hooks = LaneHooks.of(plugins, ask(), tiny, resolve)
    loop.add("own", ask())
    assert told_by("pusher") == []
    forward = vars(tiny.denoiser).get("forward")
    pictures = loop.run()
    assert loop.rows == [2] * 8
    assert told_by("pusher") == ["in", "out"] * 4
    assert vars(tiny.denoiser).get("forward") is forward
    assert abs(pictures["plain"] - alone).max() == 0 < abs(pictures["own"] - alone).max()


def test_a_patch_is_undone_after_an_error_of_the_pass_and_one_that_fails_is_named(tmp_path, tiny, registry, ask):
    failing = PATCHING.replace("answer = plain(*arguments, **named)", "raise ValueError('no pass')")
    loop = Loop(tiny, registry)
    loop.hooks = LaneHooks.of(extension(tmp_path / "a", failing), ask(), tiny, resolve)
    loop.add("own", ask())
    with pytest.raises(ValueError, match="no pass"):
        loop.run()
    assert told_by("pusher") == ["in", "out"] and "forward" not in vars(tiny.denoiser)
    source = hook("patch_model", "model", "return 5")
    loop = Loop(tiny, registry, hooks=LaneHooks.of(extension(tmp_path / "b", source), ask(), tiny, resolve))
    loop.add("own", ask())
    with pytest.raises(ExtensionProblem, match="'pusher' failed in patch_model: it returned int in place of"):
        loop.run()


def test_patches_of_equal_options_share_unless_they_see_the_request(tmp_path, tiny, ask):
    blind = hook("patch_model", "model, options", "return __import__('contextlib').nullcontext()")
    seeing = blind.replace("options", "request")
    for source, shared in ((blind, True), (seeing, False)):
        plugins = extension(tmp_path / str(shared), source)
        one, two = (LaneHooks.of(plugins, ask(seed=seed), tiny, resolve).patches.key for seed in (1, 2))
        assert (one == two) is shared


WRONG = [
    ("before_step", "latents, step", "return latents[:, :1]", "it returned the shape (1, 1, 8, 8)"),
    ("after_step", "latents, step", "return latents / 0 if step == 1 else None", "its answer in step 2 is no numbers"),
    ("before_step", "latents", "latents.fill_(float('nan'))", "its answer in step 1 is no numbers"),
    ("before_sampling", "latents", "return 3", "it returned int in place of a tensor"),
    ("before_decoding", "latents", "return latents * float('nan')", "its answer is no numbers"),
    ("before_step", "latents", "raise SystemExit(3)", "SystemExit: 3."),
    ("transform_prompt", "prompt", "return prompt", "it must return (prompt, negative"),
    ("transform_conditioning", "conditioning", "return 5", "it returned int in place"),
    ("image_ready", "image", "return 'a picture'", "it returned str in place of Image."),
    ("before_saving", "saving", "return saving.but({'a: b': 1})", "'a: b' can be no key of an infotext"),
    (
        "before_saving",
        "saving",
        "return saving.but(chunks={'parameters': ''})",
        "'parameters' can be no keyword of a text chunk",
    ),
    ("image_ready", "image", "raise KeyError('lost')", "KeyError: 'lost'."),
]


@pytest.mark.parametrize(("name", "arguments", "body", "sentence"), WRONG)
def test_what_a_hook_does_wrong_fails_the_job_and_names_it(
    tmp_path, tiny_checkpoint, registry, ask, name, arguments, body, sentence
):
    failing = extension(tmp_path, hook(name, arguments, body))
    with running(tiny_checkpoint.parent, registry, failing) as bench:
        bench.engine.submit("a", ask())
        end = bench.heard.end("a")
    assert isinstance(end, Failed)
    assert f"'pusher' failed in {name}: {sentence}" in end.problem.detail
    assert end.problem.type == "extension"


def test_an_extension_s_sampler_that_fails_is_named(tmp_path, tiny_checkpoint, ask):
    worker = "def broken(x, context):\n    yield Ask(x, context.sigmas[0], 0)\n    raise KeyError('lost')\n"
    rows = "@hookimpl\ndef samplers():\n    return [Sampler('Mine', 'worker:broken')]\n"
    plugins = extension(tmp_path, "from webui.extend.worker import Ask\n" + worker, "my-sampler", rows=rows)
    with running(tiny_checkpoint.parent, build_registry(plugins), plugins) as bench:
        bench.engine.submit("a", ask(sampler_name="Mine"))
        end = bench.heard.end("a")
    assert end.problem.detail == "The extension 'my-sampler' failed in samplers: KeyError: 'lost'."


def test_numbers_that_a_model_broke_are_not_a_hook_s_fault(tmp_path, plugins):
    bounds = extension(tmp_path, hook("before_step", "latents", "return latents + 1")).bound("before_step")
    numbers = Numbers()
    transformed(bounds, torch.full((1, 4, 8, 8), float("nan")), numbers, {"step": 0, "sigma": 1.0})
    numbers.verify()


def test_a_guidance_function_that_fails_ends_its_own_lane_alone(tiny, registry, ask):
    loop = Loop(tiny, registry)
    loop.add("plain", ask())
    loop.hooks = guiding(lambda guided: guided.cond[:, :2])
    loop.add("own", ask())
    with pytest.raises(ExtensionProblem, match="'mine' failed in guidance: it returned the shape"):
        loop.run()
    assert loop.ends["plain"].latents is not None


SWITCHED = """
@hookimpl
def fields():
    return [Field("enabled", "bool", "Enable", "On.", False), Field("strength", "float", "Strength", "How.", 0.5,
            minimum=0, maximum=1)]

@hookimpl
def guidance():
    return [Guidance("own", "worker:own", when="strength")]
"""


@pytest.mark.parametrize(
    ("values", "on"), [(None, False), ({"enabled": True}, True), ({"enabled": True, "strength": 0.0}, False)]
)
def test_a_row_is_on_where_its_extension_and_its_field_are(tmp_path, tiny, ask, values, on):
    body = "def own(guided):\n    return guided.denoised * guided.options['strength']\n"
    plugins = extension(tmp_path, body, rows=SWITCHED)
    whole = values and {"strength": 0.5, **values}
    request = ask(extensions=FrozenMap({"pusher": FrozenMap(whole)} if whole else {}))
    hooks_of = LaneHooks.of(plugins, request, tiny, resolve)
    assert of_the_loop(plugins, request) == (["pusher"] if on else [])
    assert (hooks_of is not None) is on
    if on:
        ones = torch.ones(1, 4, 8, 8)
        guided = Guided(ones, 1.0, 0, 4, ones, None, 7.0, ones, request, flow=False)
        assert torch.equal(hooks_of.guide(guided), ones * 0.5)


def test_a_row_that_names_no_field_of_its_extension_is_refused(tmp_path, caplog):
    with pytest.raises(AssertionError):
        extension(tmp_path, "x = 1\n", rows=SWITCHED.replace('when="strength"', 'when="strenght"'))
    assert "names the field 'strenght', which is not there. Did you mean 'strength'?" in caplog.text


def test_an_extension_s_hook_changes_the_picture(tmp_path, tiny_checkpoint, registry, plugins, ask):
    body = "return latents + 2.0 if step == 1 else None"
    pushing = extension(tmp_path, hook("before_step", "latents, step", body))
    pictures = [made(tiny_checkpoint.parent, registry, p, ask())[0][0][0] for p in (plugins, pushing)]
    assert abs(pixels(pictures[0]) - pixels(pictures[1])).max() > 2


def test_image_ready_and_post_processing_may_replace_the_picture(tmp_path, tiny_checkpoint, registry, ask):
    rows = "@hookimpl\ndef post_processing():\n    return [PostProcessing('wider', 'Wider', 'worker:wider')]\n"
    worker = hook("image_ready", "image, request", "return image.rotate(90, expand=True)")
    worker += "def wider(image, options):\n    return image.resize((image.width + 8, image.height))\n"
    turning = extension(tmp_path, worker, rows=rows)
    [pictures], _ = made(tiny_checkpoint.parent, registry, turning, ask(width=128))
    assert (pictures[0].width, pictures[0].height) == (72, 128) == pixels(pictures[0]).shape[1::-1]
