"""An extension that puts a function of its own in the place of one of the house: what it breaks is told to be its."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from webui.engine.problems import problem_of
from webui.plugins.loader import load_plugins

PATCH = """
import json
from webui.core import infotext

def written(*given, **named):
    return json.loads("{")

def patch():
    infotext.write = written
"""


def test_an_error_in_a_function_that_stands_in_for_the_house_s_names_the_extension(tmp_path, monkeypatch):
    from webui.core import infotext

    monkeypatch.setattr(infotext, "write", infotext.write)
    home = tmp_path / "meddler"
    home.mkdir()
    (home / "extension.toml").write_text('name = "meddler"\nversion = "1"\napi = "1"\n')
    (home / "worker.py").write_text(PATCH)
    (report,) = load_plugins([tmp_path], "worker").reports
    assert report.ok
    sys.modules["darkroom_extension_meddler.worker"].patch()
    with pytest.raises(ValueError) as caught:
        infotext.write(SimpleNamespace())
    problem = problem_of(caught.value)
    assert problem.type == "extension" and problem.detail.startswith("The extension 'meddler' failed: JSONDecodeError")
