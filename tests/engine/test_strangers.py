"""Extensions' code that asks to exit, or never comes back: its own job or work ends, and all others go on."""

import pytest

from tests.engine.helpers import running
from webui.core.events import Failed
from webui.plugins.loader import build_registry, load_plugins

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
