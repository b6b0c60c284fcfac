"""A Chromium for the browser tests: find one, or install one, or say how."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from webui.bootstrap.environment import Environment
from webui.bootstrap.shell import say
from webui.bootstrap.trouble import Trouble

VARIABLE = "DARKROOM_CHROMIUM"
"""Tells the browser tests which program to start; unset means playwright's own."""

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
_OWN = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"


def find_or_install(environment: Environment) -> str:
    """The path of a Chromium; raises Trouble with the ways to one."""
    found = find(environment)
    if found:
        return found
    say("The browser tests need a Chromium; fetching playwright's ...")
    if environment.shell.show([str(environment.python), "-m", "playwright", "install", "chromium"]).ok:
        found = _playwrights(environment)
        if found:
            return found
    if _is_debian() and sys.platform.startswith("linux") and os.geteuid() == 0:
        say("Playwright's could not be had; installing the system's package ...")
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "chromium"]):
            environment.shell.show(command)
        found = find(environment)
        if found:
            return found
    raise Trouble(
        "No Chromium was found for the browser tests, and none could be installed.",
        f"Install Chromium or Chrome, or set {VARIABLE} to its path",
        "Or leave these tests out: python launch.py test -m 'not browser'",
    )


def find(environment: Environment) -> str | None:
    """A Chromium that is already there: named by the variable, on the PATH, in its usual place, or playwright's."""
    environ = environment.shell.environ
    given = environ.get(VARIABLE)
    if given:
        if Path(given).is_file():
            return given
        raise Trouble(f"{VARIABLE} is set to {given}, which is not there.", f"Correct it, or unset {VARIABLE}")
    for name in NAMES:
        on_path = shutil.which(name, path=environ.get("PATH"))
        if on_path:
            return on_path
    usual = next((place for place in PLACES if Path(place).is_file()), None)
    return usual or _playwrights(environment)


def _playwrights(environment: Environment) -> str | None:
    asked = environment.shell.read([str(environment.python), "-c", _OWN])
    path = asked.output.strip().splitlines()[-1:] if asked.ok else []
    return path[0] if path and Path(path[0]).is_file() else None


def _is_debian() -> bool:
    try:
        text = Path("/etc/os-release").read_text("utf-8")
    except OSError:
        return False
    return any(
        line.startswith(("ID=", "ID_LIKE=")) and ("debian" in line or "ubuntu" in line) for line in text.splitlines()
    )
