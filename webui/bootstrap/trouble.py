"""What can go wrong before the page is there, each as a sentence with the way out."""

from __future__ import annotations

import errno
import platform
import sys
import tempfile
from pathlib import Path

NO_NETWORK = (
    "temporary failure in name resolution",
    "name or service not known",
    "nodename nor servname",
    "getaddrinfo failed",
    "failed to resolve",
    "failed to establish a new connection",
    "network is unreachable",
    "connection refused",
    "connecttimeout",
    "read timed out",
    "proxyerror",
    "cannot connect to proxy",
    "max retries exceeded",
)
NO_SPACE = ("no space left on device", "not enough space", "disk quota exceeded", "errno 28", "errno 122")
NO_PERMISSION = ("permission denied", "access is denied", "errno 13", "read-only file system", "errno 30")
NO_WHEEL = ("no matching distribution found", "is not a supported wheel", "requires a different python")
_NOTHING = "(from versions: none)"
NO_CERTIFICATE = ("certificate verify failed", "sslerror")


class Trouble(Exception):
    """Darkroom cannot start. `text` says why; `ways` are short sentences, each a way out."""

    def __init__(self, text: str, *ways: str, code: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.ways = ways
        self.code = code

    def __str__(self) -> str:
        return "\n".join([self.text, *(f"  - {way}" for way in self.ways)])


def os_trouble(error: OSError, doing: str, folder: Path) -> Trouble:
    """An operating system's error while `doing` (as 'make .venv') something in `folder`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_space(f"Could not {doing}: the disk is full.", folder)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return _no_permission(f"Could not {doing}: no permission to write in {folder}.")
    return Trouble(f"Could not {doing}: {error.strerror or error} ({error.filename or folder}).")


def pip_trouble(output: str, what: str, folder: Path) -> Trouble:
    """What pip's last lines mean for a person. `what` was to be installed into `folder`."""
    said = output.casefold()
    if any(sign in said for sign in NO_SPACE):
        return _no_space(f"There is no room left on the disk for {what}.", folder)
    if any(sign in said for sign in NO_PERMISSION):
        return _no_permission(f"{what} could not be written into {folder}: no permission.")
    if any(sign in said for sign in NO_CERTIFICATE):
        return Trouble(
            f"The package index could not be trusted while installing {what}: a certificate was refused.",
            "Behind a company's proxy, give its certificate to pip: set PIP_CERT to the file",
            "Check the clock of this machine",
        )
    if any(sign in said for sign in NO_NETWORK):
        return Trouble(
            f"{what} could not be downloaded: the package index cannot be reached.",
            "Check the network connection, then start again; what is already downloaded is kept",
            "Behind a proxy, set HTTPS_PROXY; with an index of your own, set PIP_INDEX_URL",
        )
    if _NOTHING in said:
        # pip says the same of an index that has no such package and, in few words, of one that it could not reach.
        return Trouble(
            f"{what} could not be had: the package index cannot be reached, or has nothing for this Python "
            f"{platform.python_version()} on {platform.system()} {platform.machine()}. "
            f"The last words of pip: {_last_line(output)}",
            "Check the network connection and the proxy (HTTPS_PROXY, PIP_INDEX_URL), then start again",
            "Start launch.py with Python 3.11, 3.12 or 3.13 (64 bit)",
        )
    if any(sign in said for sign in NO_WHEEL):
        return Trouble(
            f"Something in {what} does not exist for this Python {platform.python_version()} "
            f"on {platform.system()} {platform.machine()}. The last words of pip: {_last_line(output)}",
            "Start launch.py with Python 3.11, 3.12 or 3.13 (64 bit)",
        )
    return Trouble(
        f"pip could not install {what}. Its last words: {_last_line(output)}",
        f"Delete {folder} and start again",
    )


def no_pip() -> Trouble:
    """Neither pip nor ensurepip is there."""
    if sys.platform.startswith("linux"):
        way = "On Debian or Ubuntu: sudo apt install python3-venv. On Fedora: sudo dnf install python3-pip"
    else:
        way = "Install Python again from https://www.python.org/downloads/ with pip included"
    return Trouble(f"This Python ({sys.executable}) has no pip, so nothing can be installed.", way)


def _no_space(text: str, folder: Path) -> Trouble:
    return Trouble(
        text,
        f"Free some room on the disk of {folder} (about 3 GB; 8 GB with an NVIDIA card), and on that of "
        f"{tempfile.gettempdir()}, where packages are unpacked; then start again",
        "Or set VENV_DIR to a folder on another disk",
    )


def _no_permission(text: str) -> Trouble:
    return Trouble(
        text,
        "Copy Darkroom's folder to where you may write, such as your home folder",
        "Or set VENV_DIR to a folder that you may write in",
    )


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.casefold().startswith("error")]
    return (errors or lines or ["(it said nothing)"])[-1][:300]
