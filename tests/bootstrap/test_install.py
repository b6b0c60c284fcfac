"""Packages are installed once for each content of the requirement files, torch from where this machine needs it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from tests.bootstrap.conftest import NotingShell, fake_environment
from webui.bootstrap.environment import Environment
from webui.bootstrap.install import CPU_INDEX, CUDA_INDEX, Installer
from webui.bootstrap.trouble import Trouble

ROCM = "https://download.pytorch.org/whl/rocm7.1"


@pytest.fixture
def installer(root: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Installer:
    fake_environment(environment.folder)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return Installer(root, environment)


@pytest.fixture
def card(shell: NotingShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: name if name == "nvidia-smi" else None)
    shell.rule("nvidia-smi -L", "GPU 0: NVIDIA something")


def file(installer: Installer, name: str) -> str:
    return f"-r {installer.root / name} -c {installer.root / 'constraints.txt'}"


def main_file(installer: Installer) -> str:
    return file(installer, "requirements.txt")


def cuda_file(installer: Installer) -> str:
    return file(installer, "requirements-cuda.txt")


def test_a_second_start_runs_no_program_at_all(installer: Installer, shell: NotingShell) -> None:
    installer.ensure()
    assert main_file(installer) in shell.installed
    shell.commands.clear()
    installer.ensure()
    assert shell.commands == []


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_a_changed_file_is_installed_again(installer: Installer, shell: NotingShell, name: str) -> None:
    installer.ensure()
    shell.commands.clear()
    with (installer.root / name).open("a") as changed:
        changed.write("numpy==1\n")
    installer.ensure()
    assert main_file(installer) in shell.installed


def test_without_a_card_linux_takes_the_lean_torch(installer: Installer, shell: NotingShell) -> None:
    installer.ensure()
    assert shell.installed == [f"torch==2.13.0 --index-url {CPU_INDEX}", main_file(installer)]


@pytest.mark.parametrize("configured", ["global.index-url='x'", ":env:.find-links='/x'", "install.no-index='1'"])
def test_a_persons_own_index_is_left_alone(installer: Installer, shell: NotingShell, configured: str) -> None:
    shell.rule("config list", configured)
    installer.ensure()
    assert shell.installed == [main_file(installer)]


def test_a_lean_torch_that_cannot_be_had_is_no_obstacle(installer: Installer, shell: NotingShell) -> None:
    shell.rule("--index-url", "No matching distribution found", 1)
    installer.ensure()
    assert shell.installed[-1] == main_file(installer)


@pytest.mark.usefixtures("card")
def test_with_a_card_linux_takes_the_plain_torch_and_xformers(installer: Installer, shell: NotingShell) -> None:
    installer.ensure()
    assert shell.installed == [main_file(installer), cuda_file(installer)]
    shell.commands.clear()
    installer.ensure()
    assert shell.commands == []


@pytest.mark.usefixtures("card")
def test_with_a_card_windows_takes_torch_from_its_index(
    installer: Installer, shell: NotingShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    installer.ensure()
    assert shell.installed[0] == f"torch==2.13.0 --index-url {CUDA_INDEX}"


def test_a_mac_takes_the_plain_torch(installer: Installer, shell: NotingShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    installer.ensure()
    assert shell.installed == [main_file(installer)]


@pytest.mark.usefixtures("card")
def test_xformers_that_cannot_be_had_stops_nothing(
    installer: Installer, shell: NotingShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.rule("requirements-cuda", "ERROR: No matching distribution found for xformers", 1)
    installer.ensure()
    assert "runs without them" in capsys.readouterr().err
    shell.commands.clear()
    installer.ensure()
    assert shell.commands == []


def test_a_named_index_gives_the_torch_and_changing_it_forces(installer: Installer, shell: NotingShell) -> None:
    installer.ensure(torch_index=ROCM)
    assert shell.installed == [f"torch==2.13.0 --index-url {ROCM}", main_file(installer)]
    shell.commands.clear()
    installer.ensure(torch_index=ROCM)
    installer.ensure()
    assert shell.commands == []
    installer.ensure(torch_index=CPU_INDEX)
    assert shell.installed[0] == f"--force-reinstall torch==2.13.0 --index-url {CPU_INDEX}"


def test_an_index_that_was_named_once_serves_the_next_torch_too(installer: Installer, shell: NotingShell) -> None:
    installer.ensure(torch_index=ROCM)
    shell.commands.clear()
    with (installer.root / "requirements.txt").open("a") as changed:
        changed.write("numpy==1\n")
    installer.ensure()
    assert shell.installed[0] == f"torch==2.13.0 --index-url {ROCM}"


def test_reinstall_torch_reinstalls_it(installer: Installer, shell: NotingShell) -> None:
    shell.rule("config list", "global.index-url='x'")
    installer.ensure()
    shell.commands.clear()
    installer.ensure(reinstall_torch=True)
    assert shell.installed == ["--force-reinstall torch==2.13.0", main_file(installer)]


def test_the_tests_have_a_stamp_of_their_own(installer: Installer, shell: NotingShell) -> None:
    installer.ensure()
    shell.commands.clear()
    installer.ensure(tests=True)
    assert shell.installed == [file(installer, "requirements-test.txt")]
    shell.commands.clear()
    installer.ensure(tests=True)
    assert shell.commands == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("WARNING: Retrying (Retry(total=0)): Temporary failure in name resolution", "index cannot be reached"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "no room left"),
        ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'x'", "no permission"),
        ("ERROR: No matching distribution found for torch==2.13.0", "does not exist for this Python"),
        ("ERROR: Could not find a version that satisfies torch==2 (from versions: none)", "reached, or has nothing"),
        ("SSLError(SSLCertVerificationError(1, 'certificate verify failed'))", "could not be trusted"),
        ("Building wheel\nERROR: something else broke\n", "Its last words: ERROR: something else broke"),
    ],
)
def test_pips_failures_become_sentences_and_leave_no_stamp(
    installer: Installer, shell: NotingShell, said: str, expected: str
) -> None:
    shell.rule("requirements.txt", said, 1)
    with pytest.raises(Trouble, match=expected) as caught:
        installer.ensure()
    assert caught.value.ways
    assert caught.value.code == 1
    assert installer.environment.read_stamp().files == {}


def test_a_missing_requirements_file_is_named(installer: Installer) -> None:
    (installer.root / "requirements.txt").unlink()
    with pytest.raises(Trouble, match=r"requirements\.txt is missing"):
        installer.ensure()


def test_a_small_disk_is_said_before_anything_is_fetched(
    installer: Installer, shell: NotingShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**10, 10**10, 5 * 10**8))
    with pytest.raises(Trouble, match=r"has 0\.5 GB left"):
        installer.ensure()
    assert shell.installed == []
