"""Extensions are found, loaded under private names, and left out with a sentence when they are broken."""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from webui.core.errors import DarkroomError
from webui.plugins.loader import build_registry, load_plugins, switched
from webui.plugins.manager import Plugins
from webui.plugins.repeats import Repeats
from webui.plugins.resolve import resolve

MANIFEST = 'name = "{name}"\nversion = "1.2"\napi = "1"\ntitle = "The {name}"\n'
HEAD = "from webui.extend import Command, Sampler, Schedule, hookimpl\n"


def write(parent: Path, name: str, extension: str = "", worker: str = "", manifest: str | None = None) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text(MANIFEST.format(name=name) if manifest is None else manifest, "utf-8")
    if extension:
        (folder / "extension.py").write_text(HEAD + extension, "utf-8")
    if worker:
        (folder / "worker.py").write_text(HEAD + worker, "utf-8")
    return folder


def rows(hook: str, *calls: str) -> str:
    return f"@hookimpl\ndef {hook}():\n    return [{', '.join(calls)}]\n"


def problem(plugins: Plugins) -> str:
    (report,) = plugins.reports
    assert not report.ok
    return report.problem


def test_an_extensions_rows_stand_beside_the_built_in_ones(tmp_path: Path) -> None:
    write(tmp_path, "swirl", rows("samplers", "Sampler('Swirl', 'worker:swirl', aliases=('k_swirl',))"), "swirl = 7\n")
    plugins = load_plugins([tmp_path], "worker")
    registry = build_registry(plugins)
    row = registry.samplers.get("K_SWIRL")
    assert (row.name, row.group) == ("Swirl", "The swirl")
    names = registry.samplers.names()
    assert names.index("DDIM") < names.index("Swirl") < names.index("DPM-Solver++ (diffusers)")
    assert resolve(row.function) == 7
    assert "serve" in registry.commands
    (report,) = plugins.reports
    assert (report.name, report.version, report.title, report.ok, report.problem) == (
        "swirl",
        "1.2",
        "The swirl",
        True,
        "",
    )


def test_the_web_process_lists_rows_and_leaves_worker_py_alone(tmp_path: Path) -> None:
    write(tmp_path, "swirl", rows("samplers", "Sampler('Swirl', 'worker:swirl')"), "raise SystemExit('never here')\n")
    assert "Swirl" in build_registry(load_plugins([tmp_path], "web")).samplers
    write(tmp_path, "only-worker", "", "@hookimpl\ndef before_step(latents):\n    return latents\n")
    assert [report.ok for report in load_plugins([tmp_path], "web").reports] == [True, True]


def test_modules_of_one_name_do_not_meet_and_sys_path_stays(tmp_path: Path) -> None:
    before = list(sys.path)
    for name in ("one", "two-b"):
        write(
            tmp_path,
            name,
            "from .shared import WORD\n" + rows("samplers", "Sampler(WORD, 'shared:WORD')"),
        )
        (tmp_path / name / "shared.py").write_text(f"WORD = 'from {name}'\n", "utf-8")
    registry = build_registry(load_plugins([tmp_path], "web"))
    for name in ("from one", "from two-b"):
        assert resolve(registry.samplers.get(name).function) == name
    assert sys.path == before
    assert "shared" not in sys.modules


def test_a_reference_to_the_house_stays_what_it_is(tmp_path: Path) -> None:
    write(tmp_path, "again", rows("commands", "Command('ask', 'webui.core.errors:nearest', 'Ask.')"))
    registry = build_registry(load_plugins([tmp_path], "web"))
    assert registry.commands.get("ask").run == "webui.core.errors:nearest"


@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        ("import nothing_of_this_name\n", "No module named 'nothing_of_this_name'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("def broken(:\n", "SyntaxError"),
        ("@hookimpl\ndef samplers(model):\n    return []\n", "model"),
        ("@hookimpl\ndef sampler():\n    return []\n", "There is no hook 'sampler'. Did you mean 'samplers'?"),
        ("@hookimpl(wrapper=True)\ndef samplers():\n    return (yield)\n", "wrapper"),
        ("@hookimpl\ndef samplers():\n    return 1 / 0\n", "ZeroDivisionError"),
        ("@hookimpl\ndef samplers():\n    return {'Swirl': 1}\n", "must return a list of Sampler rows"),
        (rows("samplers", "Schedule('S', 'worker:s')"), "must return a list of Sampler rows"),
        (rows("samplers", "Sampler('S', 'no reference')"), "module:function"),
        (rows("samplers", "Sampler('S', 'nowhere_at_all:s')"), "'nowhere_at_all', which does not exist"),
        (
            rows("samplers", "Sampler('S', 'extension:s', options=('s_churm',))"),
            "The sampler 'S' names the option 's_churm', which it cannot have. Did you mean 's_churn'?",
        ),
        (
            rows("schedules", "Schedule('S', 'extension:s', options=('eta',))"),
            "The schedule 'S' names the option 'eta', which it cannot have.",
        ),
        (
            rows("commands", "Command('serve', 'extension:x', 'Mine.')"),
            "'serve' is already a command of Darkroom itself.",
        ),
        (rows("samplers", "Sampler('S', 'extension:s')", "Sampler('s', 'extension:s')"), "claim the name 's'"),
    ],
)
def test_a_broken_extension_is_left_out_with_a_sentence(tmp_path: Path, extension: str, expected: str) -> None:
    write(tmp_path, "broken", rows("schedules", "Schedule('Mine', 'extension:s')") + extension)
    plugins = load_plugins([tmp_path], "web")
    assert expected in problem(plugins)
    registry = build_registry(plugins)
    assert "Mine" not in registry.schedules
    assert registry.commands.get("serve").run.startswith("webui.")
    assert plugins.hook.samplers() == load_plugins([], "web").hook.samplers()


def test_a_broken_worker_takes_the_rows_and_hooks_with_it(tmp_path: Path) -> None:
    extension = (
        rows("samplers", "Sampler('Swirl', 'worker:swirl')") + "@hookimpl\ndef before_step(latents):\n    pass\n"
    )
    write(tmp_path, "swirl", extension, "import nothing_of_this_name\n")
    plugins = load_plugins([tmp_path], "worker")
    assert "worker.py failed to load" in problem(plugins)
    assert "Swirl" not in build_registry(plugins).samplers
    assert not plugins.has("before_step")


@pytest.mark.parametrize("hook", ["samplers()", "job_finished(job)"])
def test_web_hooks_in_worker_py_are_refused(tmp_path: Path, hook: str) -> None:
    write(tmp_path, "odd", "", f"@hookimpl\ndef {hook}:\n    return []\n")
    assert "belongs into extension.py" in problem(load_plugins([tmp_path], "worker"))


def test_one_broken_extension_leaves_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, "a", "raise ValueError('no')\n")
    write(tmp_path, "b", rows("samplers", "Sampler('Fine', 'extension:x')"))
    plugins = load_plugins([tmp_path], "web")
    assert [(report.name, report.ok) for report in plugins.reports] == [("a", False), ("b", True)]
    assert "Fine" in build_registry(plugins).samplers


def test_a_name_that_is_taken_is_told_with_whose_it_is(tmp_path: Path) -> None:
    write(tmp_path, "a-drift", rows("samplers", "Sampler('Drift', 'extension:x', aliases=('k_drift', 'drifting'))"))
    write(tmp_path, "b-drift", rows("samplers", "Sampler('drift', 'extension:x', aliases=('drifting', 'k_drift'))"))
    write(tmp_path, "c-drift", rows("samplers", "Sampler('Mine', 'extension:x', aliases=('k_mine', 'Drifting'))"))
    backend = rows("attention_backends", "AttentionBackend('d', 'D', 'extension:x', aliases=('sdpa',))")
    write(tmp_path, "d-drift", "from webui.extend import AttentionBackend\n" + backend)
    problems = [report.problem for report in load_plugins([tmp_path], "web").reports]
    assert problems == [
        "",
        "'drift' is already a sampler of the extension 'a-drift'.",
        "'Drifting' is already a sampler of the extension 'a-drift'.",
        "'sdpa' is already an attention backend of Darkroom itself.",
    ]


def test_of_two_extensions_of_one_name_the_first_stays(tmp_path: Path) -> None:
    manifest = MANIFEST.format(name="twin-x")
    write(tmp_path / "own", "a", rows("samplers", "Sampler('First', 'extension:x')"), manifest=manifest)
    write(tmp_path / "mine", "b", "", "x = 1\n", manifest=manifest.replace("-", "_"))
    plugins = load_plugins([tmp_path / "own", tmp_path / "absent", tmp_path / "mine"], "web")
    assert [report.ok for report in plugins.reports] == [True, False]
    assert "already loaded from" in plugins.reports[1].problem
    assert str(tmp_path / "own" / "a") in plugins.reports[1].problem


@pytest.mark.parametrize("name", ["off", "folder"])
def test_a_disabled_extension_is_not_imported(tmp_path: Path, name: str) -> None:
    write(tmp_path, "folder", "raise ValueError('was imported')\n", manifest=MANIFEST.format(name="off"))
    plugins = load_plugins([tmp_path], "web", disabled=[name])
    assert "switched off" in problem(plugins)
    assert not plugins.reports[0].enabled


def test_folders_that_are_no_extension_say_so_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    for name in (".git", "__pycache__", "old-a1111-thing"):
        (tmp_path / name).mkdir()
    (tmp_path / "put extensions here.txt").write_text("", "utf-8")
    assert "extension.toml" in problem(load_plugins([tmp_path], "web"))


def test_a_value_goes_through_all_extensions_in_order(tmp_path: Path) -> None:
    write(tmp_path, "a", "", "@hookimpl\ndef after_step(latents):\n    return latents + 'a'\n")
    write(tmp_path, "b", "", "@hookimpl\ndef after_step(step):\n    assert step == 3\n")
    write(tmp_path, "c", "", "@hookimpl\ndef after_step(step, latents):\n    return f'{latents}c{step}'\n")
    write(tmp_path, "d", "", "@hookimpl(tryfirst=True)\ndef after_step(latents):\n    return latents + 'd'\n")
    plugins = load_plugins([tmp_path], "worker")
    assert plugins.transform("after_step", "x", step=3) == "xdac3"
    assert plugins.transform("before_step", "x", step=3) == "x"
    assert (plugins.has("after_step"), plugins.has("before_step")) == (True, False)


def test_an_error_in_a_job_names_the_extension(tmp_path: Path) -> None:
    write(tmp_path, "bad", "", "@hookimpl\ndef image_ready(image):\n    raise ValueError('no eyes')\n")
    plugins = load_plugins([tmp_path], "worker")
    with pytest.raises(DarkroomError, match=r"'bad' failed in image_ready: ValueError: no eyes\."):
        plugins.transform("image_ready", "image", request=None)


def test_observers_are_told_logged_and_left_behind_when_late(tmp_path: Path, caplog: Any) -> None:
    write(tmp_path, "a", "@hookimpl\ndef job_finished(job):\n    raise ValueError('no')\n")
    write(tmp_path, "b", "@hookimpl\ndef job_finished(job):\n    job['gate'].wait(30)\n")
    write(tmp_path, "c", "@hookimpl\ndef job_finished(job):\n    job['told'].append('c')\n")
    plugins = load_plugins([tmp_path], "web")
    gate, told = threading.Event(), list[str]()
    begin = time.monotonic()
    with caplog.at_level(logging.WARNING):
        plugins.observe("job_finished", 0.2, job={"gate": gate, "told": told})
    gate.set()
    assert told == ["c"]
    assert time.monotonic() - begin < 10
    assert "'a' failed in job_finished" in caplog.text
    assert "'b' takes longer" in caplog.text


def test_the_same_error_of_an_observer_is_told_whole_once_and_then_counted(tmp_path: Path, caplog: Any) -> None:
    code = "@hookimpl\ndef job_finished(job):\n    if job == 'other':\n        raise KeyError\n"
    write(tmp_path, "a", code + "    raise ValueError(f'no {job}')\n")
    plugins = load_plugins([tmp_path], "web")
    for number in range(120):
        plugins.observe("job_finished", job=number)
    plugins.observe("job_finished", job="other")
    said = [(record.getMessage(), bool(record.exc_info)) for record in caplog.records]
    assert said == [
        ("The extension 'a' failed in job_finished: ValueError: no 0.", True),
        ("The extension 'a' failed in job_finished: ValueError: no 9. It has failed there 10 times.", False),
        ("The extension 'a' failed in job_finished: ValueError: no 99. It has failed there 100 times.", False),
        ("The extension 'a' failed in job_finished: KeyError.", True),
    ]


def test_an_error_of_code_that_was_loaded_anew_is_told_whole_again(tmp_path: Path, caplog: Any) -> None:
    code = "@hookimpl\ndef job_finished(job):\n    raise ValueError('{}')\n"
    changes = write(tmp_path, "a", code.format("first"))
    write(tmp_path, "b", code.format("steady"))
    plugins = load_plugins([tmp_path], "web")
    plugins.observe("job_finished", job=1)
    (changes / "extension.py").write_text(HEAD + code.format("a second, changed"), "utf-8")
    for on in ({"b"}, {"a", "b"}):
        plugins = switched(plugins, on)
    caplog.clear()
    plugins.observe("job_finished", job=2)
    assert [(record.getMessage(), bool(record.exc_info)) for record in caplog.records] == [
        ("The extension 'a' failed in job_finished: ValueError: a second, changed.", True)
    ], "what stayed on is still counted"


def test_errors_of_code_that_is_made_on_the_fly_do_not_fill_the_memory() -> None:
    repeats = Repeats()

    def fail(file: str) -> int:
        try:
            exec(compile("1 / 0", file, "exec"), {})
        except ZeroDivisionError as error:
            return repeats.worth_telling("a", "job_event", error)
        return -1

    assert fail("steady") == 1
    for number in range(3000):
        assert fail(f"made {number}") == 1
        assert fail("steady") == (number + 2 if number + 2 in (10, 100, 1000) else 0), "what comes often stays known"
    assert len(repeats._counts) == 1000
    assert fail("made 2999") == 0 and fail("made 0") == 1, "the oldest are forgotten"


def test_what_is_left_out_is_told_again_only_where_it_has_changed(tmp_path: Path, caplog: Any) -> None:
    write(tmp_path, "fine", "x = 1\n")
    torn = write(tmp_path, "torn", "", manifest="torn =")
    plugins = load_plugins([tmp_path], "web")
    assert caplog.text.count("'torn' is left out") == 1
    for on in ({"torn"}, {"torn", "fine"}):
        plugins = switched(plugins, on)
    assert caplog.text.count("'torn' is left out") == 1
    (torn / "extension.toml").write_text("", "utf-8")
    plugins = switched(plugins, {"torn"})
    assert caplog.text.count("'torn' is left out") == 2 and "lacks name" in caplog.text
    # A worker after another is told what the one before has said.
    told = [(report.name, report.problem) for report in plugins.reports]
    load_plugins([tmp_path], "worker", told=told)
    assert caplog.text.count("'torn' is left out") == 2
    load_plugins([tmp_path], "worker", told=[("torn", "another reason")])
    assert caplog.text.count("'torn' is left out") == 3
