"""Which packages this machine needs, and whether they are already there."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import sys
from pathlib import Path

from webui.bootstrap.environment import Environment, Stamp
from webui.bootstrap.shell import say
from webui.bootstrap.trouble import Trouble, os_trouble

MAIN = "requirements.txt"
CUDA = "requirements-cuda.txt"
TEST = "requirements-test.txt"
PINS = "constraints.txt"
"""Versions of what those need in turn: what runs today must run in a year."""

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_INDEX = "https://download.pytorch.org/whl/cu130"

ROOM_BYTES = 2 * 10**9
"""What an installation without CUDA takes, measured on Linux."""


class Installer:
    """Installs requirement files of the program in `root` into an environment, once for each content."""

    def __init__(self, root: Path, environment: Environment) -> None:
        self.root = root
        self.environment = environment

    def ensure(self, torch_index: str = "", reinstall_torch: bool = False, tests: bool = False) -> None:
        """Install what is missing. Asks nothing of the network when the stamp shows the same content."""
        stamp = self.environment.read_stamp()
        # An index that was named once stays, or a new torch would come from another one than the last.
        torch_index = torch_index or stamp.torch_index
        index_changed = bool(torch_index) and torch_index != stamp.torch_index
        again = reinstall_torch or index_changed
        if again or self._outdated(stamp, MAIN):
            self._check_room(stamp)
            self._install_main(stamp, torch_index, force=again and bool(stamp.files))
        if self._outdated(stamp, CUDA) and CUDA in stamp.files:
            self._install_cuda(stamp)
        if tests and self._outdated(stamp, TEST):
            say("Installing what the tests need ...")
            self._install_file(TEST, "what the tests need")
            self._note(stamp, TEST)

    def _install_main(self, stamp: Stamp, torch_index: str, force: bool) -> None:
        say("Installing packages. The first time takes some minutes and about 1 GB (5 GB with an NVIDIA card) ...")
        card = not torch_index and has_nvidia_card(self.environment)
        if torch_index:
            self._install_torch(torch_index, force)
        elif preferred := self._preferred_index(card):
            try:
                self._install_torch(preferred, force)
            except Trouble:
                say(f"PyTorch's own index ({preferred}) gave no torch; taking the one from the package index.")
        elif force:
            self.environment.install(["--force-reinstall", self._torch()], "torch")
        self._install_file(MAIN, "Darkroom's packages")
        stamp.torch_index = torch_index
        if card:
            self._install_cuda(stamp)
        self._note(stamp, MAIN)

    def _install_cuda(self, stamp: Stamp) -> None:
        try:
            self._install_file(CUDA, "the packages for NVIDIA cards")
        except Trouble as trouble:
            # They make things faster and nothing possible: the program runs without.
            say(f"{trouble.text}\nDarkroom runs without them; --reinstall-torch tries again.")
        self._note(stamp, CUDA)

    def _install_file(self, name: str, what: str) -> None:
        self.environment.install(["-r", str(self.root / name), "-c", str(self.root / PINS)], what)

    def _install_torch(self, index: str, force: bool) -> None:
        forced = ["--force-reinstall"] if force else []
        self.environment.install([*forced, self._torch(), "--index-url", index], f"torch from {index}")

    def _preferred_index(self, card: bool) -> str | None:
        """Where a leaner or better fitting torch lies than on the package index; None where that one is right."""
        configured = self.environment.pip_configuration()
        if re.search(r"index-url|find-links|no-index", configured, re.IGNORECASE):
            return None
        if sys.platform == "win32":
            return CUDA_INDEX if card else None
        if sys.platform.startswith("linux") and platform.machine() == "x86_64" and not card:
            return CPU_INDEX
        return None

    def _torch(self) -> str:
        found = re.search(r"^torch==\S+", self._text(MAIN), re.MULTILINE)
        if found is None:
            raise Trouble(f"{MAIN} names no version of torch; fetch Darkroom again.")
        return found.group()

    def _outdated(self, stamp: Stamp, name: str) -> bool:
        return stamp.files.get(name) != self._hash(name)

    def _note(self, stamp: Stamp, name: str) -> None:
        stamp.files[name] = self._hash(name)
        self.environment.write_stamp(stamp)

    def _hash(self, name: str) -> str:
        return hashlib.sha256(f"{self._text(name)}\0{self._text(PINS)}".encode()).hexdigest()

    def _text(self, name: str) -> str:
        try:
            return (self.root / name).read_text("utf-8")
        except OSError as error:
            raise Trouble(
                f"{name} is missing or cannot be read ({error.strerror}).", "Fetch Darkroom again, whole"
            ) from error

    def _check_room(self, stamp: Stamp) -> None:
        if stamp.files or any(self.environment.folder.glob("[Ll]ib/**/site-packages/torch")):
            return
        try:
            free = shutil.disk_usage(self.environment.folder).free
        except OSError as error:
            raise os_trouble(error, "look at the disk", self.environment.folder) from error
        if free < ROOM_BYTES:
            raise Trouble(
                f"Installing takes about {ROOM_BYTES / 1e9:.0f} GB, and the disk of {self.environment.folder} "
                f"has {free / 1e9:.1f} GB left.",
                "Free some room, then start again",
                "Or set VENV_DIR to a folder on another disk",
            )


def has_nvidia_card(environment: Environment) -> bool:
    """Whether NVIDIA's own tool lists a card. Slow on some machines: asked only when something is installed."""
    tool = shutil.which("nvidia-smi", path=environment.shell.environ.get("PATH"))
    if tool is None:
        return False
    outcome = environment.shell.read([tool, "-L"], 30)
    return outcome.ok and "GPU 0" in outcome.output
