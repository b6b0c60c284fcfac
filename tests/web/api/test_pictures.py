"""Pictures over HTTP: bytes, names, caching, thumbnails, search, the bin."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from tests.web.helpers import TINY, Site, finished
from webui.images import metadata


@pytest.fixture(scope="module")
def picture(alone: Site) -> dict[str, Any]:
    client = alone.client()
    made = client.post("/api/v1/jobs", json={**TINY, "prompt": "a walrus, seldom drawn", "seed": 11}).json()
    found: dict[str, Any] = finished(client, made["id"])["pictures"][0]
    return found


def test_the_file_is_the_one_on_the_disk(alone: Site, picture: dict[str, Any]) -> None:
    answer = alone.client().get(picture["url"])
    assert answer.headers["content-type"] == "image/png"
    assert "content-encoding" not in answer.headers and "content-disposition" not in answer.headers
    (on_disk,) = alone.home.glob(f"outputs/txt2img-images/*/{picture['name']}")
    assert answer.content == on_disk.read_bytes()
    assert metadata.read(answer.content).infotext == picture["infotext"]
    saved = alone.client().get(picture["url"], params={"download": True})
    name = picture["name"]
    assert saved.headers["content-disposition"] == f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"


def test_what_the_infotext_says_is_read_once_for_everybody(alone: Site) -> None:
    client = alone.client()
    prompt = "a cat\nNegative prompt: not this"
    wish = {**TINY, "prompt": prompt, "negative_prompt": "a dog, wet", "seed": 5}
    made = client.post("/api/v1/jobs", json=wish).json()
    (picture,) = finished(client, made["id"])["pictures"]
    assert (picture["prompt"], picture["negative_prompt"]) == (prompt, "a dog, wet")
    labels = [row["label"] for row in picture["values"]]
    assert labels[:4] == ["Steps", "Sampler", "Schedule type", "CFG scale"] and "Exact prompt" not in labels
    assert {"label": "Seed", "value": "5"} in picture["values"]
    assert [one for one in client.get("/api/v1/pictures").json()["pictures"] if one["id"] == picture["id"]] == [picture]
    with client.stream("GET", f"/api/v1/jobs/{made['id']}/events") as stream:
        (told,) = [json.loads(line[6:]) for line in stream.iter_lines() if '"event": "image"' in line]
    assert {name: told[name] for name in ("prompt", "negative_prompt", "values")} == {
        name: picture[name] for name in ("prompt", "negative_prompt", "values")
    }


@pytest.mark.parametrize("what", ["url", "thumb"])
def test_a_browser_keeps_it_and_asks_no_second_time(alone: Site, picture: dict[str, Any], what: str) -> None:
    client = alone.client()
    first = client.get(picture[what])
    assert "immutable" in first.headers["cache-control"] and "private" in first.headers["cache-control"]
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}'):
        again = client.get(picture[what], headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get(picture[what], headers={"If-None-Match": '"other"'}).status_code == 200


def test_thumbnails_are_small_and_of_few_sizes(alone: Site, picture: dict[str, Any]) -> None:
    address = picture["thumb"].partition("?")[0]
    for side in (32, 256, 1024):
        answer = alone.client().get(address, params={"side": side})
        assert answer.headers["content-type"] == "image/webp"
        assert max(Image.open(io.BytesIO(answer.content)).size) == 64
    for side in ("0", "5000", "a", "1e3"):
        answer = alone.client().get(address, params={"side": side})
        assert answer.status_code == 422 and answer.json()["field"] == "side"


def test_lists_search_and_pages(alone: Site, picture: dict[str, Any]) -> None:
    client = alone.client()
    client_made = client.post("/api/v1/jobs", json={**TINY, "n_iter": 3}).json()
    finished(client, client_made["id"])
    assert [p["id"] for p in client.get("/api/v1/pictures?search=walrus").json()["pictures"]] == [picture["id"]]
    everything = client.get("/api/v1/pictures?limit=200").json()
    assert everything["next"] is None
    paged: list[str] = []
    before = None
    while True:
        page = client.get("/api/v1/pictures", params={"limit": 2, **({"before": before} if before else {})}).json()
        paged += [p["id"] for p in page["pictures"]]
        before = page["next"]
        if before is None:
            break
    assert paged == [p["id"] for p in everything["pictures"]]


def test_deleting_moves_into_the_bin_and_restoring_out_of_it(alone: Site) -> None:
    client = alone.client()
    made = client.post("/api/v1/jobs", json=TINY).json()
    (gone,) = finished(client, made["id"])["pictures"]
    assert client.delete(f"/api/v1/pictures/{gone['id']}").status_code == 204
    for path in (f"/api/v1/pictures/{gone['id']}", gone["url"], gone["thumb"]):
        assert client.get(path).status_code == 404
    assert gone["id"] not in client.get("/api/v1/pictures").text
    assert list((alone.home / "outputs" / ".bin").rglob("*.png"))
    back = client.post(f"/api/v1/pictures/{gone['id']}/restore")
    assert (back.status_code, back.json()) == (200, gone)
    assert client.get(gone["url"]).status_code == 200
    assert client.post(f"/api/v1/pictures/{gone['id']}/restore").status_code == 404


def test_a_file_removed_by_hand_is_a_sentence(alone: Site) -> None:
    client = alone.client()
    made = client.post("/api/v1/jobs", json=TINY).json()
    (gone,) = finished(client, made["id"])["pictures"]
    next(alone.home.glob(f"outputs/txt2img-images/*/{gone['name']}")).unlink()
    answer = client.get(gone["url"])
    assert answer.status_code == 404 and "no longer in the outputs folder" in answer.json()["detail"]
    assert str(alone.home) not in answer.text
