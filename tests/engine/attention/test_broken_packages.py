"""A package whose import raises whatever it likes costs the backend, not the worker."""

import os
import subprocess
import sys
import textwrap

import pytest

from webui.core.paths import PROGRAM_DIR

SCRIPT = """
from webui.engine.broken_packages import keep_out_broken

reasons = keep_out_broken()
assert reasons == {BROKEN: "AttributeError: built for another torch"}, reasons

import diffusers
import torch
from dataclasses import replace
from webui.core.registry import Table
from webui.engine.attention.backends import Backends
from webui.plugins.builtin.attention import attention_backends
from webui.plugins.resolve import resolve

rows = Table("attention backend", [replace(row, devices=()) for row in attention_backends()])
backends = Backends(rows, resolve)
for name in ("xformers", "flash", "sdpa"):
    print(f"{name}: {backends.ready(name, torch.device('cpu'), torch.float16).reason}")
"""


@pytest.mark.parametrize("broken", ["xformers.ops", "xformers", "flash_attn"])
def test_a_package_that_diffusers_cannot_bear_is_kept_out(tmp_path, broken):
    name, _, module = broken.partition(".")
    package, told = tmp_path / name, tmp_path / f"{name}-2.8.0.dist-info"
    for folder in (package, told):
        folder.mkdir()
    (package / "__init__.py").write_text("")
    (package / f"{module or '__init__'}.py").write_text("raise AttributeError('built for another torch')")
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.8.0\n")
    path = os.pathsep.join([str(tmp_path), str(PROGRAM_DIR)])
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT.replace("BROKEN", repr(broken)))],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    backend = {"xformers": "xformers", "flash_attn": "flash"}[name]
    found = dict(line.split(": ", 1) for line in ran.stdout.splitlines())
    assert found[backend] == f"the package {name} is broken (ImportError: AttributeError: built for another torch)"
    assert found["sdpa"] == ""
