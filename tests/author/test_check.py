"""`extensions check`: the skeleton passes each part, and what is wrong in a part is found there."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import pytest

from webui.author import check as checking
from webui.author.check import Finding, check
from webui.author.skeleton import write_skeleton
from webui.author.source_rules import faults_of
from webui.plugins.manifest import read_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_skeleton("my-frame", tmp_path)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy has read of the program, which takes it most of its time."""
    return tmp_path_factory.mktemp("types")


def findings(folder: Path, cache: Path) -> dict[str, Finding]:
    return {finding.part: finding for finding in check(folder, cache)}


def test_the_skeleton_is_fine_in_every_part(folder: Path, cache: Path) -> None:
    found = findings(folder, cache)
    assert {part: finding.outcome for part, finding in found.items()} == dict.fromkeys(
        ("manifest", "source", "page", "worker", "types", "tests"), "ok"
    )
    assert "2 passed" in found["tests"].details


def test_what_is_wrong_is_found_in_its_part(folder: Path, cache: Path) -> None:
    extension, worker, tests = folder / "extension.py", folder / "worker.py", folder / "tests" / "test_my_frame.py"
    wrong = "\nfrom . import helper\n\ndef wrong() -> int:\n    return 'text'\n"
    extension.write_text(extension.read_text() + wrong)
    (folder / "helper.py").write_text("import torch\nimport webui.engine.latents\n")
    worker.write_text(worker.read_text() + "\nraise ValueError('not today')\n")
    tests.write_text("def test_it():\n    assert 1 == 2\n")
    # Its test needs nothing of the program.
    (folder / "tests" / "conftest.py").unlink()
    found = findings(folder, cache)
    why = "which may change without notice; webui.extend is the contract"
    assert found["source"].details == f"helper.py:2: it imports webui.engine.latents, {why}"
    assert "the page's process loads" in found["page"].details and "torch" in found["page"].details
    assert "not today" in found["worker"].details
    assert "extension.py:" in found["types"].details and 'got "str", expected "int"' in found["types"].details
    assert "1 failed" in found["tests"].details
    assert {finding.outcome for part, finding in found.items() if part != "manifest"} == {"wrong"}


def test_a_wrong_manifest_is_all_that_is_told(folder: Path) -> None:
    (folder / "extension.toml").write_text('name = "my-frame"\nversion = 1\napi = "1"\n')
    (finding,) = check(folder)
    assert (finding.part, finding.outcome) == ("manifest", "wrong") and "version must be text" in finding.details


def test_rows_name_functions_that_are_there(folder: Path) -> None:
    rows = folder / "extension.py"
    more = "\n\n@hookimpl\ndef samplers():\n    return [Sampler('Missing', 'worker:missing')]\n"
    rows.write_text("from webui.extend import Sampler\n" + rows.read_text() + more)
    *_, page, worker = islice(check(folder), 4)
    assert (page.part, page.outcome, worker.part, worker.outcome) == ("page", "ok", "worker", "wrong")
    assert worker.details == "Its sampler 'Missing' names worker:missing: The module 'worker' has no 'missing'."


def test_an_extension_without_tests_is_not_done(folder: Path) -> None:
    shutil.rmtree(folder / "tests")
    finding = checking._tests(folder)
    assert finding.outcome == "wrong" and "it has none" in finding.details


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("extension.py", "import torch.nn", "belongs in worker.py"),
        ("extension.py", "def f():\n    from webui.extend.worker import Ask", "belongs in worker.py"),
        ("worker.py", "import darkroom_extension_my_frame.extension", "imports itself"),
        ("worker.py", "def f(:", "cannot be read"),
        ("deep/er.py", "from webui.core.field import Field", "webui.extend is the contract"),
    ],
)
def test_a_source_that_breaks_a_rule_is_named_with_its_line(folder: Path, file: str, text: str, sentence: str) -> None:
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(text)
    (fault,) = faults_of(folder, read_manifest(folder))
    assert sentence in fault.sentence and fault.place == f"{file}:{text.count(chr(10)) + 1}"


def test_its_words_in_other_languages_are_compared_with_its_names(folder: Path) -> None:
    (folder / "locales").mkdir()
    (folder / "locales" / "de.toml").write_text("[fields.fram]\nlabel = 'Breite'\n[page]\npast = 'x'\n", "utf-8")
    found = checking._locales(folder, {"paste": "Paste"})
    assert found.outcome == "wrong"
    assert found.details.splitlines() == [
        "locales/de: there is no field 'fram'. Did you mean 'frame'?",
        "locales/de: the page has no text 'past'. Did you mean 'paste'?",
    ]
    (folder / "locales" / "de.toml").write_text("[fields.frame]\nlabel = 'Breite'\n", "utf-8")
    assert checking._locales(folder, {}) == Finding("locales", "ok", "de")
