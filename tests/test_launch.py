"""launch.py on a copy of the program with next to no requirements: first start, second start, and old Pythons."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

CLI = """
import json, os, sys
def main():
    print(json.dumps({"argv": sys.argv[1:], "prefix": sys.prefix, "cwd": os.getcwd()}))
    return 7
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    folder = tmp_path / "dark room"
    shutil.copytree(ROOT / "webui" / "bootstrap", folder / "webui" / "bootstrap")
    shutil.copy(ROOT / "launch.py", folder)
    (folder / "webui" / "__init__.py").write_text("", "utf-8")
    shutil.copy(ROOT / "webui" / "__main__.py", folder / "webui")
    (folder / "webui" / "core").mkdir()
    for name in ("__init__.py", "leaving.py"):
        shutil.copy(ROOT / "webui" / "core" / name, folder / "webui" / "core")
    (folder / "webui" / "cli.py").write_text(CLI, "utf-8")
    for name in ("", "-cuda", "-test"):
        (folder / f"requirements{name}.txt").write_text("", "utf-8")
    (folder / "constraints.txt").write_text("", "utf-8")
    return folder


def start(program: Path, *arguments: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    quiet = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": str(program), "PIP_NO_INDEX": "1"}
    return subprocess.run(
        [sys.executable, str(program / "launch.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd or program,
        env={**os.environ, **quiet, "COMMANDLINE_ARGS": "", "PATH": os.defpath, **environ},
        timeout=120,
        check=False,
    )


def test_the_first_start_installs_and_the_second_only_starts(program: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "json.py").write_text("raise SystemExit('a file of the current folder was imported')", "utf-8")
    first = start(program, "generate", "a b", cwd=elsewhere, COMMANDLINE_ARGS="--listen")
    assert first.returncode == 7, first.stderr
    assert "Making" in first.stderr and "Installing packages" in first.stderr
    assert f'"argv": ["--listen", "generate", "a b"], "prefix": "{program / ".venv"}"' in first.stdout
    assert str(elsewhere) in first.stdout

    begin = time.monotonic()
    second = start(program, cwd=elsewhere)
    assert time.monotonic() - begin < 5
    assert (second.returncode, second.stderr) == (7, "")

    python = program / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    python.unlink()
    mended = start(program)
    assert mended.returncode == 7, mended.stderr
    assert "broken (its Python is gone)" in mended.stderr


@pytest.mark.parametrize(
    "code", ["import a_package_that_has_gone", "def main():\n    import a_package_that_has_gone"], ids=["early", "late"]
)
def test_a_package_that_has_gone_is_a_sentence(program: Path, code: str) -> None:
    (program / "webui" / "cli.py").write_text(code + "\n", "utf-8")
    failed = start(program, "--skip-install")
    assert failed.returncode == 1
    assert "No module named 'a_package_that_has_gone'" in failed.stderr and "Delete the folder .venv" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_module_of_our_own_that_has_gone_is_no_packages_fault(program: Path) -> None:
    (program / "webui" / "cli.py").write_text("import webui.gone\n", "utf-8")
    failed = start(program, "--skip-install")
    assert failed.returncode == 1 and "Traceback" in failed.stderr


def test_what_pip_cannot_find_is_a_sentence(program: Path) -> None:
    (program / "requirements.txt").write_text("torch==2.13.0\n", "utf-8")
    failed = start(program)
    assert failed.returncode == 1
    assert "cannot be reached, or has nothing for this Python" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere, Windows asks differently")
def test_a_folder_without_permission_is_a_sentence(program: Path) -> None:
    program.chmod(0o500)
    failed = start(program)
    program.chmod(0o700)
    assert failed.returncode == 1
    assert "no permission" in failed.stderr and "Traceback" not in failed.stderr


def test_an_old_python_gets_a_sentence(program: Path) -> None:
    source = (program / "launch.py").read_text("utf-8")
    ast.parse(source, feature_version=(3, 4))
    assert not any(isinstance(node, ast.JoinedStr | ast.AnnAssign) for node in ast.walk(ast.parse(source)))
    pretend = (
        "import runpy, sys; sys.version_info = (3, 8, 1); sys.argv = ['launch.py'];"
        f"runpy.run_path({str(program / 'launch.py')!r}, run_name='__main__')"
    )
    old = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, check=False, timeout=60)
    assert old.returncode == 1
    assert "needs Python 3.11 or newer; this is Python 3.8" in old.stderr
    assert "Traceback" not in old.stderr
