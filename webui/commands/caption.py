"""launch.py caption: pictures put into words by a captioner in models/, in this process."""

from __future__ import annotations

import json
from pathlib import Path

from webui.commands.common import begin, command_parser, with_flags, write_line
from webui.commands.models_work import carried_out
from webui.core.caption_request import TASK, Caption
from webui.engine.captions.captioners import choose
from webui.engine.captions.files import CaptionFiles
from webui.images.waiting import plain
from webui.plugins.builtin.works import works
from webui.plugins.resolve import resolve


def run(arguments: list[str]) -> int:
    """Say what is on each picture; 0 when all are described."""
    parser = command_parser("caption", "Put pictures into words, with a captioner in models/BLIP.", "FILE...")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a picture")
    parser.add_argument("--captioner", default="", metavar="NAME", help="its folder's name (the first that works)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    given = with_flags(parser).parse_args(arguments)
    options = begin(given, "ERROR")
    captioner = choose(options.paths.models, given.captioner)
    for path in given.files:
        # Before torch is imported, which takes seconds.
        plain(path)
    row = next(work for work in works() if work.name == TASK)
    for path in given.files:
        made = carried_out(
            resolve(row.function), Caption(captioner.name, title=path.name), CaptionFiles(captioner, path)
        )
        if given.json:
            told = {"file": str(path), "caption": made.text, "captioner": captioner.name}
            write_line(json.dumps(told, ensure_ascii=False))
        else:
            write_line(f"{path}: {made.text}" if len(given.files) > 1 else made.text)
    return 0
