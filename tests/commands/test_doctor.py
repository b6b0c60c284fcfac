"""doctor says in about ten lines what is there, and its exit code whether something is missing."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from webui.cli import main

GIB = 2**30


def answer(*devices: tuple[str, str], cuda_devices: int = 0) -> str:
    """What the probe writes when it finds these devices: (device, name), or (device, "") for one that is not there."""
    found = [
        {"device": device, "problem": "", "name": name, "precision": "float32"}
        | {"free_bytes": 8 * GIB, "total_bytes": 16 * GIB}
        if name
        else {"device": device, "problem": f"The device '{device}' is not there."}
        for device, name in devices
    ]
    return json.dumps({"torch": "2.13.0", "devices": found, "cuda_devices": cuda_devices}) + "\n"


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """torch's answer, without torch; "asked" holds the devices that it is asked for."""
    probe: dict[str, Any] = {"stdout": answer(("cpu", "CPU (2 threads)")), "stderr": "", "asked": []}

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        probe["asked"] = command[3:]
        return subprocess.CompletedProcess(command, 0, probe["stdout"], probe["stderr"])

    monkeypatch.setattr(subprocess, "run", run)
    return probe


def lines(home: Path, capsys: pytest.CaptureFixture[str], code: int, *flags: str) -> dict[str, str]:
    """The lines by their subject; several about one subject are joined."""
    assert main(["doctor", "--data-dir", str(home), *flags]) == code
    found: dict[str, str] = {}
    for line in capsys.readouterr().out.splitlines():
        subject = line[4:].split()[0]
        found[subject] = "\n".join(filter(None, (found.get(subject), line)))
    return found


@pytest.mark.usefixtures("probe")
def test_a_healthy_machine_in_ten_lines(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(home, capsys, 0)
    assert len(said) == 11
    device = "CPU (2 threads), 8.0 of 16.0 GiB free, float32, torch 2.13.0; there is no GPU"
    assert said["Device"].startswith(f"ok  Device      {device}")
    assert "sham" in said["Checkpoints"]
    can, *cannot = said["Attention"].split("; ")
    assert "sdpa, auto, " in can and "xformers" not in can
    assert any(
        "xformers" in them and them.endswith("it needs a CUDA or ROCm card, and this is the CPU") for them in cannot
    )
    assert said["Server"].startswith("--") and "none runs" in said["Server"]
    assert said["Packages"].startswith("ok")


def test_every_device_that_would_be_used_is_named(
    home: Path, probe: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    probe["stdout"] = answer(("cuda:0", "Large card"), ("cpu", "CPU (1 thread)"), cuda_devices=2)
    said = lines(home, capsys, 0, "--device-id", "0,cpu,cpu")
    assert probe["asked"] == ["cuda:0", "cpu"]
    large, cpu = said["Device"].splitlines()
    assert "Large card, 8.0 of 16.0 GiB free" in large and "2 workers on CPU (1 thread)" in cpu
    assert "GPU" not in said and "GPUs" not in said


def test_a_device_that_is_not_there_is_a_fault(
    home: Path, probe: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    probe["stdout"] = answer(("cuda:0", "Large card"), ("cuda:9", ""), cuda_devices=1)
    assert "!!  Device      The device 'cuda:9' is not there." in lines(home, capsys, 1, "--device-id", "0,9")["Device"]


def test_cards_that_lie_idle_are_mentioned(
    home: Path, probe: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    probe["stdout"] = answer(("cuda:0", "Large card"), cuda_devices=3)
    said = lines(home, capsys, 0)
    assert probe["asked"] == ["auto"]
    assert said["GPUs"].endswith("2 more are here: --device-id 0,1,2 uses all")


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
