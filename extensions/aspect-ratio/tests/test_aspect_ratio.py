"""Its files are on the page; what the buttons do is watched in a browser (tests/browser/test_extension_scripts.py)."""

from __future__ import annotations

import re

from webui.extend.testing import Desk


def test_the_page_loads_its_script_and_its_sheet(desk: Desk) -> None:
    html = desk.client.get("/").text
    found = re.findall(r'"(/assets-darkroom/[0-9a-f]{12}-aspect-ratio-aspect\.(?:js|css))"', html)
    assert len(found) == 2
    for address in found:
        assert "aspect" in desk.client.get(address).raise_for_status().text
