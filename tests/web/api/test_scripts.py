"""Scripts over the API: listed, started by everybody who may make pictures, their jobs' parent told."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import TUNNEL, finished, serving
from webui.web.identity import Sharing

SCRIPT = """
from webui.extend import Script, hookimpl

@hookimpl
def scripts():
    return [
        Script("twice", "Twice", "extension:twice"),
        Script("once", "Once", "extension:twice", level="visitor"),
    ]

def twice(request, options):
    yield [request.but(seed=1), request.but(seed=2)]
"""


def test_a_script_is_listed_and_started(tmp_path: Path) -> None:
    make_sham(tmp_path / "models" / "Stable-diffusion" / SHAM_NAME)
    home = tmp_path / "extensions" / "maker"
    home.mkdir(parents=True)
    (home / "extension.toml").write_text('name = "maker"\nversion = "1"\napi = "1"\n', encoding="utf-8")
    (home / "extension.py").write_text(SCRIPT, encoding="utf-8")
    with serving(tmp_path, Sharing(), page=False) as site:
        client = site.client()
        assert client.get("/api/v1/scripts").json() == {
            "scripts": [
                {"name": "twice", "title": "Twice", "extension": "maker"},
                {"name": "once", "title": "Once", "extension": "maker"},
            ]
        }
        begun = client.post("/api/v1/scripts/twice", json={"prompt": "red"})
        assert begun.status_code == 201, begun.text
        job = finished(client, begun.json()["id"])
        assert (job["state"], job["task"], job["request"]["script"]) == ("done", "script", "twice")
        jobs = client.get("/api/v1/jobs").json()["jobs"]
        assert [one["parent"] for one in jobs] == [job["id"], job["id"], None]
        assert client.post("/api/v1/scripts/thrice", json={}).status_code == 422
        # A script is the owner's unless its row says whose it is besides.
        guest = site.client(**TUNNEL)
        assert [one["name"] for one in guest.get("/api/v1/scripts").json()["scripts"]] == ["once"]
        assert guest.post("/api/v1/scripts/twice", json={"prompt": "red"}).status_code == 403
        assert guest.post("/api/v1/scripts/once", json={"prompt": "red"}).status_code == 201
