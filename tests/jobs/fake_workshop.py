"""A workshop process' main that needs no models, and dies or lingers as its test says."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from webui.core.events import Finished, Progress
from webui.core.model_work import Made
from webui.jobs.executors.messages import Submit
from webui.jobs.executors.process import Link


def main(link: Link, config: dict[str, Any]) -> None:
    """config: starts, a file that gets a letter at each start; dies, the first so many starts fail; lingers, seconds
    between the word to end and the end; hangs, no work is ever done.
    """
    with Path(config["starts"]).open("a+", encoding="utf-8") as starts:
        starts.write("s")
        starts.seek(0)
        if len(starts.read()) <= config.get("dies", 0):
            os._exit(3)
    for command in link.commands():
        if isinstance(command, Submit):
            link.output(command.job_id, Progress(0.5, "Working"))
            if not config.get("hangs"):
                link.output(command.job_id, Finished(0, result=Made("made.safetensors")))
    time.sleep(config.get("lingers", 0))
