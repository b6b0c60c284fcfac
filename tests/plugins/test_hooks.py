"""The tables of hook names say exactly what the specifications say."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from webui.plugins import hooks
from webui.plugins.loader import load_plugins


@pytest.mark.parametrize(
    ("names", "specification"),
    [
        (hooks.COLLECTING, hooks.CollectingHooks),
        (hooks.WORKER, hooks.WorkerHooks),
        (hooks.WEB, hooks.WebHooks),
    ],
)
def test_the_lists_and_the_specifications_agree(names: tuple[str, ...], specification: type[Any]) -> None:
    members = [name for name, _ in inspect.getmembers(specification, inspect.isfunction) if not name.startswith("_")]
    assert sorted(members) == sorted(names)
    assert all(inspect.getdoc(getattr(specification, name)) for name in members)


@pytest.mark.parametrize("name", hooks.COLLECTING)
def test_an_extension_whose_rows_cannot_be_had_is_left_out_with_the_reason(tmp_path: Path, name: str) -> None:
    home = tmp_path / "mine"
    home.mkdir()
    (home / "extension.toml").write_text('name = "mine"\nversion = "1"\napi = "1"\n')
    source = f"from webui.extend import hookimpl\n@hookimpl\ndef {name}():\n    raise KeyError('{name}')\n"
    (home / "extension.py").write_text(source)
    plugins = load_plugins([tmp_path], "web")
    (report,) = plugins.reports
    assert not report.ok and f"{name}() failed: KeyError: '{name}'." in report.problem, report.problem
    assert list(plugins.table("samplers")), "the program's own are there"
