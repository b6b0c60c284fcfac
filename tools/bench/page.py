"""How soon the page is there: first byte and usable in Chromium, against a bare Gradio page of as many components."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tools.bench.bare_page import BUTTON, known
from tools.bench.results import Row, at_most, chance, ratio
from tools.bench.servers import Server, bare_page, darkroom

BAR = 1.5
_TIMEOUT_MS = 60_000
# The page knows who is looking: its scripts have run and the server has answered them.
_OURS_KNOWS = "document.documentElement.dataset.level !== undefined"
_CAN_BE_PRESSED = """() => {{
  const button = document.querySelector({});
  button?.scrollIntoView({{block: "nearest"}});
  const box = button && !button.disabled && button.getBoundingClientRect();
  if (!box || !box.width || !({})) return false;
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return button.contains(hit);
}}"""


def page(folder: Path, rounds: int) -> list[Row]:
    """Both servers side by side, asked in turn."""
    with darkroom(folder / "page") as ours:
        counts = components(ours)
        file = folder / "components.json"
        file.write_text(json.dumps(counts), encoding="utf-8")
        with bare_page(file) as bare:
            number = f"{sum(counts.values())} components"
            rows = [
                at_most(
                    "page: first byte after the program's start: ours / bare",
                    ours.first_byte_seconds / bare.first_byte_seconds,
                    BAR,
                    note=f"{ours.first_byte_seconds:.1f} against {bare.first_byte_seconds:.1f} s; {number}",
                ),
                _compare("page: first byte of a request", lambda: first_byte(ours), lambda: first_byte(bare), rounds),
            ]
            return rows + _in_browser(ours, bare, rounds)


def components(server: Server) -> Counter[str]:
    """How many components of each type the page has, layout left out."""
    config = httpx.get(server.url + "config", timeout=60, trust_env=False).raise_for_status().json()
    return Counter(entry["type"] for entry in config["components"] if known(entry["type"]))


def first_byte(server: Server) -> float:
    """Seconds from a new connection's request to the first byte of the page."""
    start = time.perf_counter()
    with httpx.stream("GET", server.url, timeout=60, trust_env=False) as answer:
        next(answer.iter_raw())
        return time.perf_counter() - start


def _in_browser(ours: Server, bare: Server, rounds: int) -> list[Row]:
    try:
        # Only here, since a browser is no requirement of the program.
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        return [_no_browser("playwright is not installed")]
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("DARKROOM_CHROMIUM") or _installed(),
                args=["--no-sandbox"] if _is_root() else [],
            )
        except Error as error:
            return [_no_browser(str(error).splitlines()[0])]
        try:
            return [
                _compare(
                    "page: usable in Chromium",
                    lambda: usable(browser, ours, "#txt2img_generate", _OURS_KNOWS),
                    lambda: usable(browser, bare, f"#{BUTTON}", "true"),
                    rounds,
                )
            ]
        finally:
            browser.close()


def usable(browser: Any, server: Server, button: str, ready: str) -> float:
    """Seconds from opening the address, with nothing cached, until `button` can be pressed and `ready` holds."""
    context = browser.new_context()
    try:
        tab = context.new_page()
        start = time.perf_counter()
        tab.goto(server.url, wait_until="commit", timeout=_TIMEOUT_MS)
        # Looked at in every frame: playwright's own waiting for an element looks again after half a second only.
        tab.wait_for_function(_CAN_BE_PRESSED.format(json.dumps(button), ready), timeout=_TIMEOUT_MS)
        return time.perf_counter() - start
    finally:
        context.close()


def _compare(name: str, ours: Callable[[], float], bare: Callable[[], float], rounds: int) -> Row:
    ours(), bare()
    a, b = [], []
    for number in range(rounds):
        if number % 2:
            b.append(bare())
        a.append(ours())
        if not number % 2:
            b.append(bare())
    note = f"{1000 * statistics.median(a):.0f} against {1000 * statistics.median(b):.0f} ms; {chance(a)}"
    return at_most(f"{name}: ours / bare", ratio(a, b), BAR, note=note, samples={"ours": a, "bare": b})


def _no_browser(why: str) -> Row:
    return Row("page: usable in Chromium: ours / bare", None, "", note=f"not measured: {why[:100]}")


def _installed() -> str | None:
    """The system's Chromium; None leaves it to playwright's own."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
