"""The address tells of one's own prompts, and the page has the tab and its script."""

import re

from webui.extend.testing import Desk


def test_prompts_are_told_once_and_newest_first(desk: Desk) -> None:
    for prompt in ("a red circle", "two\nlines", "a red circle"):
        job = desk.client.post("/api/v1/jobs", json={"prompt": prompt, "negative_prompt": "blue", "steps": 1})
        assert desk.finished(job.raise_for_status().json()["id"])["state"] == "done"
    told = desk.client.get("/api/v1/x/last-prompts/prompts").raise_for_status().json()
    assert told == {"prompts": ["a red circle", "two\nlines"]}


def test_the_page_has_the_tab_and_the_script(desk: Desk) -> None:
    assert "tab_last_prompts" in desk.client.get("/config").text
    (script,) = re.findall(r'"(/assets-darkroom/[0-9a-f]+-last-prompts-prompts\.js)"', desk.client.get("/").text)
    assert "last_prompts" in desk.client.get(script).text
