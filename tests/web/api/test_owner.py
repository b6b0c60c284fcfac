"""The owner's routes: settings, extensions, the stop."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.web.helpers import Site, serving
from webui.web.identity import Sharing


def test_settings_are_read_changed_and_kept(alone: Site) -> None:
    client = alone.client()
    before = client.get("/api/v1/settings").json()
    assert before["values"]["png_compress_level"] == 1
    assert before["schema"]["properties"]["png_compress_level"]["title"] == "PNG compression"
    after = client.patch("/api/v1/settings", json={"png_compress_level": 3}).json()
    assert after["values"] == {**before["values"], "png_compress_level": 3}
    assert json.loads(alone.house.paths.settings.read_text())["png_compress_level"] == 3
    refused = client.patch("/api/v1/settings", json={"png_compress_level": 2, "samples_format": 5})
    assert refused.status_code == 422
    assert client.get("/api/v1/settings").json() == after
    client.patch("/api/v1/settings", json={"png_compress_level": 1}).raise_for_status()


def test_extensions_are_listed(alone: Site) -> None:
    assert alone.client().get("/api/v1/extensions").json() == {"extensions": []}


def test_shutdown_stops_the_server(tmp_path: Path) -> None:
    with serving(tmp_path, Sharing(), page=False) as site:
        assert site.client().post("/api/v1/shutdown").status_code == 202
        for _ in range(200):
            if not site.server.started or site.server.should_exit:
                break
            time.sleep(0.02)
        assert site.server.should_exit
