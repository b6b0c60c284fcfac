"""Fields that extensions declare: one panel each, known in both processes, refused where they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.core.frozen import FrozenMap
from webui.core.request import GenerationRequest
from webui.plugins.loader import build_registry, load_plugins

MANIFEST = 'name = "{name}"\nversion = "1"\napi = "1"\ntitle = "{title}"\ndescription = "What it does."\n'
HEAD = "from webui.extend import Field, hookimpl\n"
SHIFT = "Field('shift', 'int', 'Shift', 'How far.', 0, minimum=0, maximum=10, step=1)"


def write(parent: Path, name: str, *rows: str, title: str = "", worker: str = "") -> None:
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text(MANIFEST.format(name=name, title=title or name.title()), "utf-8")
    listed = ", ".join(rows)
    (folder / "extension.py").write_text(f"{HEAD}@hookimpl\ndef fields():\n    return [{listed}]\n", "utf-8")
    if worker:
        (folder / "worker.py").write_text(HEAD + worker, "utf-8")


@pytest.mark.parametrize("process", ["web", "worker"])
def test_an_extension_s_fields_are_one_panel_in_both_processes(tmp_path: Path, process: str) -> None:
    write(tmp_path, "demo", SHIFT, "Field('on', 'bool', 'On', 'Use it.', False)")
    write(tmp_path, "other", SHIFT)
    plugins = load_plugins([tmp_path], process)  # type: ignore[arg-type]
    panels = build_registry(plugins).panels
    assert list(panels) == ["demo", "other"] and list(panels["demo"].rows) == ["shift", "on"]
    assert (panels["demo"].title, panels["demo"].help) == ("Demo", "What it does.")
    row = panels["demo"].rows["shift"]
    assert (row.name, row.flag, row.infotext) == ("extensions.demo.shift", "--demo-shift", "Demo Shift")
    assert build_registry(load_plugins([tmp_path], "web", ["demo"])).panels.keys() == {"other"}


def test_hooks_are_handed_their_own_extension_s_options(tmp_path: Path) -> None:
    hook = "@hookimpl\ndef image_ready(image, options):\n    return f'{image} {dict(options)}'\n"
    for name in ("a", "b", "c"):
        write(tmp_path, name, *([SHIFT] if name != "c" else []), worker=hook)
    plugins = load_plugins([tmp_path], "worker")
    request = GenerationRequest(extensions=FrozenMap({"b": FrozenMap({"shift": 3})}))
    assert plugins.options_of("b", request) == {"shift": 3} and plugins.options_of("c", request) == {}
    said = plugins.transform("image_ready", "x", request=request)
    assert said == "x {'shift': 0} {'shift': 3} {}"


@pytest.mark.parametrize(
    ("name", "row", "why"),
    [
        ("demo", "Field('Shift', 'int', 'Shift', 'x', 0)", "small letters"),
        ("demo", "'shift'", "must return a list of Field rows"),
        ("sampler", "Field('name', 'bool', 'A', 'x', False)", "--sampler-name, which is there already"),
        ("no", "Field('half', 'bool', 'A', 'x', False)", "--no-half, which is there already"),
        ("list", "Field('en', 'bool', 'A', 'x', False)", ""),
        ("first-a", "Field('b', 'bool', 'A', 'x', False)", "--first-a-b, which is there already"),
        ("demo", "Field('a', 'bool', 'A', 'x', False, infotext='Seed')", "means something else already"),
        ("demo", "Field('a', 'bool', 'A', 'x', False, infotext='first the')", "means something else already"),
        ("demo", "Field('a', 'bool', 'A', 'x', False), *map(abs, 'x')", "fields() failed"),
    ],
)
def test_what_cannot_be_leaves_the_extension_out_and_nothing_else(
    tmp_path: Path, name: str, row: str, why: str
) -> None:
    write(tmp_path, "first", "Field('a_b', 'bool', 'The', 'x', False)")
    write(tmp_path / "later", name, row)
    plugins = load_plugins([tmp_path, tmp_path / "later"], "web")
    report = next(report for report in plugins.reports if report.name == name)
    assert (report.ok, why in report.problem) == (not why, True), report.problem
    assert build_registry(plugins).panels.keys() == {"first", *([] if why else [name])}


def test_two_extensions_may_have_one_title(tmp_path: Path) -> None:
    for name in ("demo", "demo-2"):
        write(tmp_path, name, SHIFT, title="Demo")
    panels = build_registry(load_plugins([tmp_path], "web")).panels
    assert [panel.rows["shift"].infotext for panel in panels.values()] == ["Demo Shift", "demo-2 shift"]


def test_a_worker_s_fields_are_in_the_wrong_place(tmp_path: Path) -> None:
    write(tmp_path, "demo", worker=f"@hookimpl\ndef fields():\n    return [{SHIFT}]\n")
    (report,) = load_plugins([tmp_path], "worker").reports
    assert "fields() belongs into extension.py" in report.problem
