"""Extensions and packages made on the fly: folders, archives, repositories and wheels, in folders of the test's own."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from webui.core.paths import Paths
from webui.extension_life.life import Life
from webui.extension_life.task import Task

Wheel = Callable[..., Path]


def manifest(name: str = "mine", version: str = "1", **more: Any) -> str:
    """An extension.toml."""
    lines = {"name": name, "version": version, "api": "1", **more}
    return "".join(f"{key} = {value!r}\n".replace("'", '"') for key, value in lines.items())


def extension(folder: Path, name: str = "mine", version: str = "1", code: str = "", **more: Any) -> Path:
    """An extension's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "extension.toml").write_text(manifest(name, version, **more), "utf-8")
    (folder / "extension.py").write_text(code, "utf-8")
    return folder


def zipped(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """A zip of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def tarred(path: Path, *entries: tarfile.TarInfo, content: bytes = b"") -> Path:
    """A tar of these entries; the regular ones have this content."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for entry in entries:
            if entry.isreg():
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content) if entry.isreg() else None)
    return path


class Repository:
    """A git repository of one extension."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git in it, with nothing of this machine's configuration."""
        environment = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": "/usr/bin:/bin"}
        names = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        git = shutil.which("git")
        assert git
        done = subprocess.run(
            [git, *names, *arguments], cwd=self.folder, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, version: str, code: str = "", **more: Any) -> str:
        """Commit this version of the extension; the commit."""
        extension(self.folder, version=version, code=code, **more)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", version)
        return self.git("rev-parse", "HEAD")

    @property
    def address(self) -> str:
        return self.folder.as_uri()


@pytest.fixture
def task() -> Task:
    return Task()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    return Repository(tmp_path / "repository")


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """Makes a wheel in the folder that is pip's only source: wheel(name, version, needs=[...], files={...})."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    def make(name: str, version: str, needs: tuple[str, ...] = (), files: Mapping[str, str] | None = None) -> Path:
        info = f"{name}-{version}.dist-info"
        needed = "".join(f"Requires-Dist: {line}\n" for line in needs)
        inside = {
            **(files or {f"{name}.py": f"VERSION = {version!r}\n"}),
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        inside[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*inside, f"{info}/RECORD"])
        return zipped(folder / f"{name}-{version}-py3-none-any.whl", inside)

    return make


class House:
    """Paths, and a Life whose settings are a list."""

    def __init__(self, folder: Path, program: Path | None = None) -> None:
        self.paths = Paths(data_dir=folder, program_dir=program or folder / "program")
        self.off: tuple[str, ...] = ()
        self.indexes: list[str] = []
        self.life = Life(self.paths, lambda: self.off, self._disable, lambda: self.indexes)

    @property
    def own(self) -> Path:
        return self.paths.data_dir / "extensions"

    def names(self) -> list[str]:
        """What lies there for a start to load."""
        return [found.name for found in self.life.places.found()]

    def hidden(self) -> list[str]:
        """What was left beside it: nothing, but for the bin."""
        return [path.name for path in self.own.iterdir() if path.name.startswith(".") and path.name != ".bin"]

    def add(self, source: object, **more: str) -> str:
        """Look and install; the version."""
        task = Task()
        return self.life.install(self.life.look(str(source), task, **more).id, task).version

    def _disable(self, names: tuple[str, ...]) -> None:
        self.off = names


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    yield House(tmp_path / "home")
