"""Extensions' code that asks to exit, or never comes back: its own job or work ends, and all others go on."""

import multiprocessing
import sys
from contextlib import suppress

import pytest
import torch

from tests.engine.helpers import running
from webui.core.errors import DarkroomError, ExtensionProblem, InvalidField
from webui.core.events import Failed
from webui.core.registry import Sampler
from webui.engine.samplers.base import Ask
from webui.engine.samplers.metered import metered
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.marks import Marks
from webui.plugins.meter import LOOP_HOOKS, Meter

HEAD = "from webui.extend import Guidance, PostProcessing, Sampler, Schedule, hookimpl\n"
LEAVES = "raise SystemExit('enough')\n"
SAMPLER = "@hookimpl\ndef samplers():\n    return [Sampler('Mine', 'worker:mine')]\n"
GUIDANCE = "@hookimpl\ndef guidance():\n    return [Guidance('mine', 'own:mine')]\n"
POST = "@hookimpl\ndef post_processing():\n    return [PostProcessing('mine', 'Mine', 'own:mine')]\n"
IN_STEP = (
    f"from webui.extend.worker import Ask\ndef mine(x, context):\n    yield Ask(x, context.sigmas[0], 0)\n    {LEAVES}"
)


def extension(folder, rows, name="stranger", **modules):
    """The plugins with one more extension, of these rows and modules."""
    home = folder / "extensions" / name
    home.mkdir(parents=True)
    (home / "extension.toml").write_text(f'name = "{name}"\nversion = "1.0"\napi = "1"\n')
    (home / "extension.py").write_text(HEAD + rows)
    for module, source in modules.items():
        (home / f"{module}.py").write_text(source)
    plugins = load_plugins((folder / "extensions",), "worker")
    assert all(report.ok for report in plugins.reports), plugins.reports
    return plugins


@pytest.mark.parametrize(
    ("rows", "module", "source", "asked"),
    [
        (SAMPLER, "worker", IN_STEP, {"sampler_name": "Mine"}),
        (SAMPLER, "worker", f"def mine(x, context):\n    {LEAVES}", {"sampler_name": "Mine"}),
        (GUIDANCE, "own", LEAVES, {}),
        (POST, "own", LEAVES, {}),
    ],
    ids=["in a step", "at its beginning", "guidance at its import", "post-processing at its import"],
)
def test_code_that_asks_to_exit_ends_its_own_job_alone(tmp_path, tiny_checkpoint, ask, rows, module, source, asked):
    fatal = []
    plugins = extension(tmp_path, rows, **{module: source})
    with running(tiny_checkpoint.parent, build_registry(plugins), plugins, on_fatal=fatal.append) as bench:
        bench.engine.submit("a", ask(steps=2, **asked))
        end = bench.heard.end("a")
        assert isinstance(end, Failed) and "stranger" in end.problem.detail and "enough" in end.problem.detail
        if asked:
            assert bench.make(ask(steps=2))[0]
    assert fatal == []


def test_a_loop_that_fails_in_an_unforeseen_way_is_told_as_fatal_and_ends_its_jobs(
    tiny_checkpoint, registry, plugins, ask
):
    fatal = []
    with running(tiny_checkpoint.parent, registry, plugins, on_fatal=fatal.append) as bench:
        bench.gate.hold_at(1)
        bench.engine.submit("a", ask())
        assert bench.gate.held.wait(60)

        def leave():
            raise SystemExit("nobody foresaw it")

        bench.engine._inbox.put(leave)
        bench.gate.release()
        end = bench.heard.end("a")
    assert isinstance(end, Failed) and end.problem.detail == "The worker's loop failed: nobody foresaw it"
    assert [type(error) for error in fatal] == [SystemExit]


SEEING = """
from webui.extend.worker import Ask

SEEN, METER = [], None


def see():
    SEEN.append((*METER.marks.inside(), *(call.hook for call in METER.underway if call.extension == "stranger")))


def mine(x, context):
    see()
    for step, sigma in enumerate(context.sigmas[:-1]):
        answer = yield Ask(x, sigma, step)
        see()
        x = answer.denoised
    return x


def levels(steps, model):
    see()
    return [14.0, 7.0, 0.0]
"""
ROWS = SAMPLER + "@hookimpl\ndef schedules():\n    return [Schedule('Levels', 'worker:levels')]\n"


def test_a_sampler_and_a_schedule_run_under_their_extension_s_name(tmp_path, tiny_checkpoint, ask):
    plugins = extension(tmp_path, ROWS, worker=SEEING)
    plugins.meter.marks = Marks(multiprocessing.get_context("spawn"))
    stranger = sys.modules["darkroom_extension_stranger.worker"]
    stranger.METER = plugins.meter
    with running(tiny_checkpoint.parent, build_registry(plugins), plugins) as bench:
        assert bench.make(ask(steps=2, sampler_name="Mine", scheduler="Levels"))[0]
    seen = stranger.SEEN
    assert seen == [("stranger", "schedules"), *[("stranger", "samplers")] * 3]
    assert plugins.meter.marks.inside() == () and plugins.meter.underway == ()
    # So that one which never comes back is ended after two minutes.
    assert {time.hook for time in plugins.meter.times if time.extension == "stranger"} <= LOOP_HOOKS


def strange(generator, extension="stranger", meter=None):
    """A sampler's row, and the generator as a lane gets it."""
    return metered(Sampler("Mine", "worker:mine", extension=extension), generator, meter or Meter())


def test_what_a_sampler_yields_or_returns_in_another_form_is_named():
    def yields():
        yield 5

    def returns():
        return None
        yield

    with pytest.raises(ExtensionProblem, match="'stranger' failed in samplers: it yielded int in place of an Ask"):
        next(strange(yields))
    with pytest.raises(ExtensionProblem, match="'stranger' failed in samplers: it returned NoneType in place of"):
        next(strange(returns))
    with pytest.raises(ExtensionProblem, match=r"'stranger' failed in samplers: .*NoneType"):
        next(strange(lambda: None))


def test_a_sampler_may_refuse_with_a_sentence_and_its_end_disturbs_nobody():
    def refuses():
        raise InvalidField("Not with flow models.")
        yield

    def clings():
        with suppress(GeneratorExit):
            yield Ask(torch.zeros(1, 4, 8, 8), 1.0, 0)
        raise SystemExit(3)

    with pytest.raises(DarkroomError, match="Not with flow models"):
        next(strange(refuses))
    meter = Meter()
    sampling = strange(clings, meter=meter)
    next(sampling)
    sampling.close()
    assert meter.times[0].errors == 1


def test_a_sampler_of_no_extension_is_left_as_it_is():
    generator = (number for number in ())
    assert strange(lambda: generator, extension="") is generator
