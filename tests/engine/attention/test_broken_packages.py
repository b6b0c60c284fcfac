"""A package whose import raises whatever it likes costs the backend, not the worker."""

import os
import subprocess
import sys
import textwrap

from webui.core.paths import PROGRAM_DIR

SCRIPT = """
from webui.engine.broken_packages import keep_out_broken

reasons = keep_out_broken()
assert reasons == {"xformers.ops": "AttributeError: built for another torch"}, reasons

import torch
from dataclasses import replace
from webui.core.registry import Table
from webui.engine.attention.backends import Backends
from webui.plugins.builtin.attention import attention_backends
from webui.plugins.resolve import resolve

rows = Table("attention backend", [replace(row, devices=()) for row in attention_backends()])
backends = Backends(rows, resolve)
print(backends.ready("xformers", torch.device("cpu"), torch.float32).reason)
print(backends.ready("sdpa", torch.device("cpu"), torch.float32).reason)
"""


def test_a_package_that_diffusers_cannot_bear_is_kept_out(tmp_path):
    package, told = tmp_path / "xformers", tmp_path / "xformers-0.0.35.dist-info"
    for folder in (package, told):
        folder.mkdir()
    (package / "__init__.py").write_text("")
    (package / "ops.py").write_text("raise AttributeError('built for another torch')")
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: xformers\nVersion: 0.0.35\n")
    path = os.pathsep.join([str(tmp_path), str(PROGRAM_DIR)])
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "the package xformers is broken (ImportError: AttributeError: built for another torch)",
        "",
    ]
