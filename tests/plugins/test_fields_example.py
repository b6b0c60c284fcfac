"""The example of the page about extensions' fields, as it stands there: it does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from PIL import Image

from webui.core import infotext
from webui.core.errors import Faults
from webui.core.panels import accept_extensions
from webui.core.paths import PROGRAM_DIR
from webui.core.request import GenerationRequest
from webui.plugins.loader import build_registry, load_plugins

PAGE = (PROGRAM_DIR / "docs" / "extensions.md").read_text("utf-8")
SECTION = PAGE.partition("\n## Fields\n")[2].partition("\n## ")[0]


def block(name: str) -> str:
    """The indented lines between the file's name as a comment and the next one."""
    found = re.search(rf"^    # {re.escape(name)}\n((?:    (?!# ).*\n|\n)+)", SECTION, re.M)
    assert found, name
    return dedent(found[1])


def test_the_border_is_drawn_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "my-border"
    folder.mkdir()
    (folder / "extension.toml").write_text('name = "my-border"\nversion = "1"\napi = "1"\ntitle = "Border"\n', "utf-8")
    for name in ("extension.py", "worker.py"):
        (folder / name).write_text(block(name), "utf-8")
    plugins = load_plugins([tmp_path], "worker")
    panels = build_registry(plugins).panels
    faults = Faults()
    extensions = accept_extensions({"my-border": {"enabled": True, "width": 8}}, panels, {}, {}, faults)
    faults.raise_found()
    request = GenerationRequest(extensions=extensions)
    image = plugins.transform("image_ready", Image.new("RGB", (64, 64), "red"), request=request, index=0)
    assert image.size == (80, 80) and image.getpixel((3, 3)) == (255, 255, 255)
    off = plugins.transform("image_ready", Image.new("RGB", (64, 64)), request=GenerationRequest(), index=0)
    assert off.size == (64, 64)
    text = infotext.write(request, 0, panels=panels)
    assert "Border Enable: True, Border Width: 8" in SECTION and "Border Enable: True, Border Width: 8" in text
    assert {row.flag for row in panels["my-border"].rows.values()} >= set(re.findall(r"--my-border-\w+", SECTION))
