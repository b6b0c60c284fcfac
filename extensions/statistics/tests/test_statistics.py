"""What is counted, and that the address tells each person of their own pictures."""

from __future__ import annotations

import time

import httpx

from webui.extend.testing import Desk


def test_pictures_are_counted_by_what_they_have_in_common(desk: Desk) -> None:
    now = 1_800_000_000.0
    counts = desk.module("counting").Counts(now)
    text = "a Sampler: Wrong, thing\nSteps: 4, Sampler: Euler a, Size: 64x64, Model: one, Version: x"
    counts.add(now, text, 64, 64)
    counts.add(now - 86_400, text.replace("Euler a", "Heun"), 64, 96)
    counts.add(now - 86_400, text, 64, 64)
    counts.add(now - 86_400 * 365, "no parameters", 64, 64)
    told = counts.to_json()
    assert told["pictures"] == 4
    assert [number for _, number in told["days"]] == [0] * 28 + [2, 1]
    assert told["days"][-1][0] == time.strftime("%Y-%m-%d", time.localtime(now))
    assert told["sampler"] == [["Euler a", 2], ["Heun", 1]]
    assert told["model"] == [["one", 3]] and told["size"] == [["64 × 64", 3], ["64 × 96", 1]]


def test_many_names_become_one_row(desk: Desk) -> None:
    counts = desk.module("counting").Counts(0.0)
    for number in range(20):
        counts.add(0.0, f"x\nSteps: 1, Model: m{number}", 8, 8)
    model = counts.to_json()["model"]
    assert len(model) == 13 and model[-1] == ["others", 8]


def test_the_address_tells_of_the_askers_own_pictures(desk: Desk) -> None:
    job = desk.client.post("/api/v1/jobs", json={"prompt": "a", "steps": 1, "n_iter": 2, "sampler_name": "Heun"})
    assert desk.finished(job.raise_for_status().json()["id"])["state"] == "done"
    told = desk.client.get("/api/v1/x/statistics/counts").raise_for_status().json()
    assert told["pictures"] == 2 and told["sampler"] == [["Heun", 2]] and told["days"][-1][1] == 2
    with httpx.Client(base_url=desk.url, headers={"X-Forwarded-For": "203.0.113.7"}) as stranger:
        assert stranger.get("/api/v1/x/statistics/counts").json().get("pictures", 0) == 0


def test_the_page_has_the_tab(desk: Desk) -> None:
    config = desk.client.get("/config").text
    assert "tab_statistics" in config and 'id=\\"statistics\\"' in config
