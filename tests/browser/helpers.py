"""What the browser tests do over and over."""

from __future__ import annotations

from playwright.sync_api import Page

SLOW = 1.0
"""Seconds a step that leave even a busy machine the time to look at a running job; `server.hurry()` ends it."""

PROMPT = "#txt2img_prompt textarea"
NEGATIVE = "#txt2img_neg_prompt textarea"
GENERATE = "#txt2img_generate"
RESULTS = "#txt2img_results"


def state(page: Page, wanted: str) -> None:
    """Wait until the results are in this state."""
    page.wait_for_selector(f"{RESULTS}[data-state={wanted}]")


def generate(page: Page, prompt: str, wanted: str = "done") -> None:
    """Type a prompt, press Generate, wait for the state."""
    page.fill(PROMPT, prompt)
    before = page.evaluate("darkroom.jobs.all.size")
    page.click(GENERATE)
    page.wait_for_function(f"darkroom.jobs.all.size > {before}")
    state(page, wanted)


def number(page: Page, field: str) -> float:
    """The value of a slider or number of the txt2img tab."""
    return float(page.input_value(f"#txt2img_{field} input[type=number]"))


def set_number(page: Page, field: str, value: float) -> None:
    """Type a value into a slider's or number's field."""
    page.fill(f"#txt2img_{field} input[type=number]", str(value))
    page.locator(f"#txt2img_{field} input[type=number]").blur()


def tab(page: Page, name: str) -> None:
    """Open a tab by the name in its id."""
    page.click(f"#tab_{name}-button")
    if name == "settings":
        # The values are there.
        page.wait_for_selector("#settings_body[aria-busy=false]")
