"""The owner's routes: settings, extensions, the stop."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from tests.web.helpers import Site, serving
from webui.jobs.executors.base import LeftOut
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


def test_extensions_are_listed_with_what_either_process_found_wrong(tmp_path: Path) -> None:
    for name, source in {"fine": "", "halved": "", "broken": "import nothing_there\n"}.items():
        folder = tmp_path / "extensions" / name
        folder.mkdir(parents=True)
        manifest = f'name = "{name}"\nversion = "1"\ntitle = "{name.title()}"\nauthor = "Ann"\napi = "1"\n'
        (folder / "extension.toml").write_text(manifest, encoding="utf-8")
        (folder / "extension.py").write_text(source, encoding="utf-8")
    sentence = "Its worker.py failed to load: ImportError: no."
    with serving(tmp_path, Sharing(), page=False) as site:
        executor = site.house.service._scheduler.workers[0].executor
        executor._status = replace(executor.status(), left_out=(LeftOut("halved", sentence),))
        client = site.client()
        found = {row["name"]: row for row in client.get("/api/v1/extensions").json()["extensions"]}
        told = client.get("/api/v1/status").json()["messages"]
    fine = {"name": "fine", "version": "1", "title": "Fine", "author": "Ann", "ok": True, "enabled": True}
    assert {key: found["fine"][key] for key in fine} == fine and found["fine"]["problem"] is None
    assert (found["halved"]["ok"], found["halved"]["problem"]) == (False, sentence)
    assert not found["broken"]["ok"] and "extension.py failed to load" in found["broken"]["problem"]
    assert told == ["2 extensions were left out. See Extensions."]


def test_of_one_extension_that_was_left_out_it_is_said_why(tmp_path: Path) -> None:
    folder = tmp_path / "extensions" / "broken"
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text("torn =", encoding="utf-8")
    with serving(tmp_path, Sharing(), page=False) as site:
        (told,) = site.client().get("/api/v1/status").json()["messages"]
    assert told.startswith("The extension 'broken' was left out: Its extension.toml cannot be read")


def test_shutdown_stops_the_server(tmp_path: Path) -> None:
    with serving(tmp_path, Sharing(), page=False) as site:
        assert site.client().post("/api/v1/shutdown").status_code == 202
        for _ in range(200):
            if not site.server.started or site.server.should_exit:
                break
            time.sleep(0.02)
        assert site.server.should_exit
