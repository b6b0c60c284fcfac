"""Models with their cards over HTTP: what the owner and what guests see, changes, previews."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from tests import shams
from tests.web.helpers import TINY, Site, finished, serving
from webui.web.identity import Sharing


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A shared house with two checkpoints, one of them in a folder and one that is broken beside them."""
    home = tmp_path_factory.mktemp("models")
    shams.write_flux_house(home / "models")
    folder = home / "models" / "Stable-diffusion"
    shams.write(folder / "sub" / "third.safetensors", ("", shams.flux(guidance=True)), fill=2.0)
    (folder / "broken.safetensors").write_bytes(b"\x10")
    (folder / "flux-dev.json").write_text(json.dumps({"notes": "secret", "odd": [1], "activation text": "mix girl"}))
    info = {"modelId": 11, "id": 22, "trainedWords": ["ink"], "model": {"name": "Mix"}}
    (folder / "flux-dev.civitai.info").write_text(json.dumps(info))
    Image.new("RGB", (600, 300), "red").save(folder / "flux-dev.preview.png")
    (folder / "flux-schnell.json").write_text("{")
    (home / "models" / "Lora").mkdir()
    (home / "models" / "Lora" / "style.safetensors").write_bytes(b"x")
    shams.write(home / "models" / "Lora" / "ink.safetensors", ("", shams.lora()))
    (home / "models" / "Lora" / "ink.json").write_text('{"preferred weight": 0.7}')
    # The page's folder comes before the one of diffusion models alone.
    shams.write(home / "models" / "unet" / "flux-dev.safetensors", ("", shams.flux(guidance=True)), fill=3.0)
    with serving(home, Sharing(share=True), page=False) as made:
        yield made


def listed(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/models", params={"kind": "checkpoint", **query})
    answer.raise_for_status()
    models: list[dict[str, Any]] = answer.json()["models"]
    return models


def named(client: httpx.Client, name: str) -> dict[str, Any]:
    row = next(model for model in listed(client) if model["name"].startswith(name))
    found: dict[str, Any] = client.get(f"/api/v1/models/{row['id']}").json()
    return found


def test_a_lora_says_what_its_training_wrote(site: Site) -> None:
    path = site.house.paths.model_folders.loras[0] / "ink.safetensors"
    metadata = {"ss_network_dim": "4", "ss_sd_model_name": "/home/me/sd.ckpt", "ss_tag_frequency": '{"a": {"ink": 3}}'}
    before = path.read_bytes()
    save_file(load_file(path), path, metadata)
    try:
        for client in (site.owner(), site.visitor()):
            row = next(one for one in listed(client, kind="lora") if one["name"] == "ink.safetensors")
            facts = client.get(f"/api/v1/models/{row['id']}").json()["facts"]
            tags = [{"tag": "ink", "count": 3}]
            assert facts == {"training": {"base_model": "sd.ckpt", "dim": "4", "tags": tags}}
    finally:
        path.write_bytes(before)


def test_a_list_says_what_a_card_shows(site: Site) -> None:
    rows = {row["name"]: row for row in listed(site.owner())}
    assert list(rows) == [
        "broken.safetensors",
        "flux-dev.safetensors",
        "flux-schnell.safetensors",
        "sub/third.safetensors",
    ]
    dev = rows["flux-dev.safetensors"]
    assert (dev["family_title"], dev["usable"], dev["problem"]) == ("Flux.1 dev", True, None)
    assert dev["trigger_words"] == ["mix girl", "ink"] and dev["size_bytes"] > 0 and dev["changed"] > 0
    assert rows["broken.safetensors"]["problem"] and rows["sub/third.safetensors"]["folder"] == "sub"
    kinds = site.owner().get("/api/v1/models").json()
    assert {row["kind"] for row in kinds["models"]} == {"checkpoint", "vae", "text_encoder", "lora"}
    good, lora = (row for row in kinds["models"] if row["kind"] == "lora")
    assert (good["name"], good["usable"], good["preferred_weight"]) == ("ink.safetensors", True, 0.7)
    assert (
        not lora["usable"]
        and "is cut off" in lora["problem"]
        and site.owner().get(f"/api/v1/models/{lora['id']}").json()["facts"] == {}
    )
    # What nothing here can use is for the owner to see.
    guests = site.visitor().get("/api/v1/models").json()["models"]
    assert {row["kind"] for row in guests} == {"checkpoint", "vae", "text_encoder", "lora"}
    assert [row["name"] for row in guests if row["kind"] == "lora"] == ["ink.safetensors"]
    assert site.visitor().get(f"/api/v1/models/{lora['id']}").status_code == 404


def test_guests_see_what_works_and_neither_notes_nor_origin_nor_paths(site: Site) -> None:
    owner, visitor = site.owner(), site.visitor()
    assert [row["name"] for row in listed(visitor)] == [
        "flux-dev.safetensors", "flux-schnell.safetensors", "sub/third.safetensors",
    ]  # fmt: skip
    assert [row["name"] for row in listed(owner, search="secret")] == ["flux-dev.safetensors"]
    assert listed(visitor, search="secret") == listed(visitor, search="22") == []
    mine, theirs = named(owner, "flux-dev"), named(visitor, "flux-dev")
    assert mine["path"].endswith("Stable-diffusion/flux-dev.safetensors")
    assert mine["card"]["notes"] == "secret" and mine["card"]["civitai"]["model_id"] == 11
    assert theirs["path"] is None and theirs["card"]["notes"] == "" and theirs["card"]["civitai"] is None
    assert theirs["trigger_words"] == ["mix girl", "ink"] and theirs["facts"]["parts"]
    assert str(site.home) not in json.dumps(theirs)
    assert mine["hides"] == [str(site.home / "models" / "unet" / "flux-dev.safetensors")] and theirs["hides"] == []
    assert "flux-schnell.json is no JSON" in named(owner, "flux-schnell")["card"]["problems"][0]
    assert named(visitor, "flux-schnell")["card"]["problems"] == []
    broken = next(row for row in listed(owner) if row["name"].startswith("broken"))
    for path in ("", "/preview"):
        assert visitor.get(f"/api/v1/models/{broken['id']}{path}").status_code == 404
    assert "secret" not in visitor.get("/api/v1/checkpoints").text


def test_pages_and_folders(site: Site) -> None:
    client = site.owner()
    first = client.get("/api/v1/models", params={"kind": "checkpoint", "limit": 3, "sort": "path"}).json()
    assert (len(first["models"]), first["total"]) == (3, 4) and first["next"]
    query = {"kind": "checkpoint", "limit": 3, "sort": "path", "cursor": first["next"]}
    rest = client.get("/api/v1/models", params=query).json()
    assert [row["name"] for row in rest["models"]] == ["sub/third.safetensors"] and rest["next"] is None
    assert client.get("/api/v1/models", params={"cursor": "x"}).json()["field"] == "cursor"
    assert client.get("/api/v1/models", params={"sort": "colour"}).status_code == 422
    folders = client.get("/api/v1/models/folders", params={"kind": "checkpoint"}).json()["folders"]
    assert folders == [{"path": "", "models": 4}, {"path": "sub", "models": 1}]
    assert [row["name"] for row in listed(client, folder="sub")] == ["sub/third.safetensors"]


def test_the_owner_changes_a_card_and_it_counts_for_the_next_picture(site: Site) -> None:
    client, file = site.owner(), site.home / "models" / "Stable-diffusion" / "flux-dev.json"
    model = named(client, "flux-dev")
    address = f"/api/v1/models/{model['id']}"
    changed = client.patch(address, json={"description": "new", "vae": "flux-new"})
    assert changed.status_code == 200 and changed.json()["card"]["description"] == "new"
    assert json.loads(file.read_text())["odd"] == [1] and json.loads(file.read_text())["vae"] == "flux-new.safetensors"
    job = client.post("/api/v1/jobs", json={**TINY, "checkpoint": "flux-dev"}).json()
    assert job["request"]["vae"] == "flux-new.safetensors" and job["request"]["vae_hash"]
    # What is shown is what is used, in both lists.
    (row,) = (c for c in client.get("/api/v1/checkpoints").json()["checkpoints"] if c["name"].startswith("flux-dev"))
    for parts in (row["parts"], changed.json()["facts"]["parts"]):
        assert [(p["file"], p["by"]) for p in parts if p["role"] == "vae"] == [("flux-new.safetensors", "card")]
    assert client.patch(address, json={"vae": "Automatic"}).json()["card"]["vae"] == ""
    job = client.post("/api/v1/jobs", json={**TINY, "checkpoint": "flux-dev"}).json()
    assert job["request"]["vae"] == "ae.safetensors"
    assert client.patch(address, json={}).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"vae": "gone"}, "vae"),
        ({"clip_skip": 13}, "clip_skip"),
        ({"notes": 3}, "notes"),
        ({"nots": "x"}, "nots"),
        ({"description": "x" * 20_001}, "description"),
    ],
)
def test_what_cannot_be_taken_is_said_at_its_field_and_changes_nothing(site: Site, change: Any, field: str) -> None:
    file = site.home / "models" / "Stable-diffusion" / "flux-dev.json"
    before = file.read_bytes()
    answer = site.owner().patch(f"/api/v1/models/{named(site.owner(), 'flux-dev')['id']}", json=change)
    assert answer.status_code == 422 and answer.json()["field"] == field
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_read_is_not_written_over(site: Site) -> None:
    model = named(site.owner(), "flux-schnell")
    answer = site.owner().patch(f"/api/v1/models/{model['id']}", json={"notes": "n"})
    assert answer.status_code == 409 and "flux-schnell.json is no JSON" in answer.json()["detail"]
    assert (site.home / "models" / "Stable-diffusion" / "flux-schnell.json").read_text() == "{"


def test_only_checkpoints_prefer_parts(site: Site) -> None:
    client = site.owner()
    (vae, *_) = client.get("/api/v1/models", params={"kind": "vae"}).json()["models"]
    assert client.patch(f"/api/v1/models/{vae['id']}", json={"clip_skip": 2}).json()["field"] == "clip_skip"


def test_guests_change_nothing(site: Site) -> None:
    visitor = site.visitor()
    address = f"/api/v1/models/{named(visitor, 'flux-dev')['id']}"
    assert visitor.patch(address, json={"notes": "n"}).status_code == 403
    assert visitor.put(f"{address}/preview", json={"picture_id": "x"}).status_code == 403


def test_a_preview_is_small_and_kept_by_its_address(site: Site) -> None:
    visitor = site.visitor()
    model = named(visitor, "flux-dev")
    answer = visitor.get(f"{model['preview']}&side=128")
    assert answer.headers["content-type"] == "image/webp" and "immutable" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).size == (128, 64)
    tag = {"If-None-Match": answer.headers["etag"]}
    assert visitor.get(f"{model['preview']}&side=128", headers=tag).status_code == 304
    bare = visitor.get(model["preview"].partition("?")[0])
    assert bare.headers["cache-control"] == "private, no-cache"
    assert visitor.get(f"/api/v1/models/{named(visitor, 'flux-schnell')['id']}/preview").status_code == 404


def test_a_picture_of_the_gallery_becomes_a_preview_and_the_old_one_is_kept(site: Site) -> None:
    client, folder = site.owner(), site.home / "models" / "Stable-diffusion"
    job = finished(client, client.post("/api/v1/jobs", json={**TINY, "checkpoint": "flux-dev"}).json()["id"])
    (picture,) = job["pictures"]
    model = named(client, "flux-dev")
    before = (folder / "flux-dev.preview.png").read_bytes()
    answer = client.put(f"/api/v1/models/{model['id']}/preview", json={"picture_id": picture["id"]}).json()
    assert answer["preview"] != model["preview"]
    assert (folder / "flux-dev.preview.png").read_bytes() == client.get(picture["url"]).content
    (kept,) = (Path(site.home) / "outputs" / ".bin" / "model-previews").iterdir()
    assert kept.read_bytes() == before
    small = client.get(f"{answer['preview']}&side=64")
    assert Image.open(io.BytesIO(small.content)).size == (64, 64)
    missing = client.put(f"/api/v1/models/{model['id']}/preview", json={"picture_id": "none"})
    assert missing.status_code == 404


def test_a_preview_that_is_no_picture_is_a_sentence(site: Site) -> None:
    bad = site.home / "models" / "Stable-diffusion" / "sub" / "third.png"
    bad.write_text("<script>alert(1)</script>")
    client = site.owner()
    client.post("/api/v1/checkpoints/refresh")
    row = next(row for row in listed(client) if row["name"].startswith("sub/"))
    if row["preview"] is None:  # Looked at less than two seconds ago.
        site.house.service.cards._shelf.look_again()
        row = next(row for row in listed(client) if row["name"].startswith("sub/"))
    answer = client.get(row["preview"])
    bad.unlink()
    assert answer.status_code == 422 and answer.json()["type"] == "bad-picture"
