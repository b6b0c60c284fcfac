"""doctor says in about ten lines what is there, and its exit code whether something is missing."""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path
from typing import Any

import pytest

from webui.cli import main


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """torch's answer, without torch."""
    answer: dict[str, Any] = {
        "stdout": '{"torch": "2.13.0", "device": "cpu", "name": "CPU (2 threads)", "precision": "float32",'
        ' "free_bytes": 8589934592, "total_bytes": 17179869184, "cuda": null, "xformers": false}\n',
        "stderr": "",
    }
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess([], 0, **answer))
    return answer


def lines(home: Path, capsys: pytest.CaptureFixture[str], code: int) -> dict[str, str]:
    assert main(["doctor", "--data-dir", str(home)]) == code
    return {line[4:].split()[0]: line for line in capsys.readouterr().out.splitlines()}


@pytest.mark.usefixtures("probe")
def test_a_healthy_machine_in_ten_lines(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(home, capsys, 0)
    assert 9 <= len(said) <= 12
    assert said["Device"] == "ok  Device      CPU (2 threads), 8.0 of 16.0 GiB free, float32, torch 2.13.0"
    assert "sham" in said["Checkpoints"]
    assert said["Server"].startswith("--") and "none runs" in said["Server"]
    assert said["Packages"].startswith("ok")


@pytest.mark.usefixtures("site", "probe")
def test_a_running_server_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "runs at http://127.0.0.1:" in lines(home, capsys, 0)["Server"]


def test_a_broken_torch_is_a_line(home: Path, probe: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    probe |= {"stdout": "", "stderr": "Traceback ...\nImportError: libcudart.so.12: cannot open\n"}
    said = lines(home, capsys, 1)["Device"]
    assert said.startswith("!!") and "libcudart" in said and "--reinstall-torch" in said


@pytest.mark.usefixtures("probe")
def test_missing_packages_and_damage_are_lines(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "diffusers":
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.1" if name == "gradio" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    (home / "data").mkdir()
    (home / "data" / "settings.json").write_text("{", "utf-8")
    said = lines(home, capsys, 1)
    assert "diffusers is missing" in said["Packages"] and "gradio is 0.1 instead of" in said["Packages"]
    assert said["Settings"].startswith("--") and "set aside" in said["Settings"]
