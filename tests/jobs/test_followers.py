"""Extensions that follow events are told all that matters, in order; a slow or broken one holds up nothing."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

from webui.core.events import Finished, ImageReady, Step
from webui.jobs.bus import Bus
from webui.jobs.followers import MOST_WAITING, Followers
from webui.plugins.loader import load_plugins

FOLLOWING = """
import threading
from webui.extend import ImageReady, hookimpl
SEEN, GATE = [], threading.Event()

@hookimpl
def job_event(job_id, event):
    {body}
"""


def follower(folder: Path, body: str, name: str = "ear") -> Any:
    home = folder / name
    home.mkdir()
    (home / "extension.toml").write_text(f'name = "{name}"\nversion = "1"\napi = "1"\n', encoding="utf-8")
    (home / "extension.py").write_text(FOLLOWING.format(body=body), encoding="utf-8")
    plugins = load_plugins([folder], "web")
    assert plugins.reports[-1].ok, plugins.reports
    return plugins, sys.modules[f"darkroom_extension_{name}.extension"]


def until(condition: Any) -> None:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < 20
        time.sleep(0.01)


def test_events_are_told_in_order(tmp_path: Path) -> None:
    plugins, module = follower(tmp_path, "SEEN.append((job_id, event.name))")
    bus = Bus(tell=Followers(plugins).tell)
    bus.publish("one", "ann", Step(1, 2))
    bus.publish("one", "ann", ImageReady(0, "p", 7, 8, 8, ""))
    bus.publish("one", "ann", Finished(1))
    until(lambda: len(module.SEEN) == 3)
    assert module.SEEN == [("one", "step"), ("one", "image"), ("one", "finished")]
    assert not bus.followed("one", "ann"), "nobody would look at previews"


def test_a_slow_one_misses_steps_and_nothing_else(tmp_path: Path) -> None:
    plugins, module = follower(tmp_path, "GATE.wait(4); SEEN.append(event.name)")
    bus = Bus(tell=Followers(plugins).tell)
    for number in range(MOST_WAITING + 500):
        bus.publish("one", "ann", Step(number, 2000))
    bus.publish("one", "ann", Finished(1))
    module.GATE.set()
    until(lambda: module.SEEN and module.SEEN[-1] == "finished")
    assert MOST_WAITING <= len(module.SEEN) <= MOST_WAITING + 3


def test_one_that_hangs_is_left_behind_and_its_neighbour_is_told(tmp_path: Path, caplog: Any) -> None:
    follower(tmp_path, "SEEN.append(1); GATE.wait(30)", "deaf")
    plugins, module = follower(tmp_path, "SEEN.append(event.name)")
    deaf = sys.modules["darkroom_extension_deaf.extension"]
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            plugins.observe("job_event", 0.2, job_id="one", event=Step(number, 3))
    assert module.SEEN == ["step"] * 3 and deaf.SEEN == [1]
    assert "'deaf' takes longer than 0.2 s in job_event" in caplog.text
    deaf.GATE.set()
