"""Rows of extensions are checked when they are loaded, and those that nobody looks up by name do not collide."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.test_manager import problem, rows, write
from webui.plugins.loader import load_plugins

HEAD = "from webui.extend import Guidance, ModelSource, PostProcessing, Route, Script\n"


@pytest.mark.parametrize(
    ("hook", "row", "sentence"),
    [
        ("routes", "Route('a/b', 'extension:f')", "route 'a/b' stands in an address"),
        ("routes", "Route('', 'extension:f')", "has the name ''"),
        ("routes", "Route('a', 'extension:f', method='PUT')", "has method='PUT'. There are GET, POST."),
        ("routes", "Route('a', 'extension:f', level='ovner')", "level='ovner'. Did you mean 'owner'?"),
        ("scripts", "Script('s/1', 'S', 'extension:f')", "script 's/1' stands in an address"),
        ("scripts", "Script('s', 'S', 'extension:f', level='everybody')", "There are visitor, user, owner."),
        ("scripts", "Script('s', 'S', 'extension:f', pictures=500)", "pictures=500; it must be from 0 to 100."),
        ("scripts", "Script('s', 'S', 'extension:f', pictures=True)", "pictures=True; it must be"),
        ("samplers", "Sampler('a\\nb', 'extension:f')", "it must be a short text"),
    ],
)
def test_a_row_that_cannot_work_is_refused_with_a_sentence(tmp_path: Path, hook: str, row: str, sentence: str) -> None:
    write(tmp_path, "mine", HEAD + rows(hook, row))
    assert sentence in problem(load_plugins([tmp_path], "web"))


def test_two_extensions_may_each_have_one_of_one_name(tmp_path: Path) -> None:
    kinds = {
        "guidance": "Guidance('rescale', 'extension:f', aliases=('r',))",
        "post_processing": "PostProcessing('rescale', 'Rescale', 'extension:f')",
        "model_sources": "ModelSource('rescale', 'Rescale', 'extension:f')",
        "routes": "Route('rescale', 'extension:f')",
    }
    for name in ("one", "two"):
        write(tmp_path, name, HEAD + "".join(rows(hook, row) for hook, row in kinds.items()))
    plugins = load_plugins([tmp_path], "web")
    assert [report.problem for report in plugins.reports] == ["", ""]
    for hook in kinds:
        assert [row.name for row in plugins.table(hook)] == ["one/rescale", "two/rescale"]
