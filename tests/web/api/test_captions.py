"""Captions over HTTP: one's own pictures and files become jobs; what is refused, to whom, and in which words."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.conftest import make_sham
from tests.engine.captions.sham import write_sham
from tests.web.helpers import Site, finished, serving
from webui.web.identity import Sharing


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A shared server with a workshop, whose line stands still: what is accepted begins no process."""
    home = tmp_path_factory.mktemp("captions")
    make_sham(home / "models" / "Stable-diffusion" / "sham")
    with serving(home, Sharing(share=True), page=False, works=True) as found:
        yield found


@pytest.fixture
def captioner(site: Site) -> str:
    folder = site.home / "models" / "BLIP" / "form only"
    if not folder.exists():
        write_sham(folder)
    return folder.name


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (40, 30), "red").save(file, "PNG")
    return file.getvalue()


def test_without_a_captioner_the_owner_is_told_what_to_get_and_a_guest_whom_to_ask(site: Site) -> None:
    owner, guest = site.owner(), site.visitor()
    for who, way, listed in ((owner, "Make a folder in models/BLIP", True), (guest, "Ask the owner", False)):
        answer = who.post("/api/v1/pictures/caption", content=picture())
        assert (answer.status_code, answer.json()["type"]) == (422, "captioner")
        assert answer.json()["remedies"][0].startswith(way)
        told = who.get("/api/v1/captioners").json()
        assert told["captioners"] == [] and bool(told["get"]) is listed


def test_pictures_and_files_become_jobs_of_those_who_ask(site: Site, captioner: str) -> None:
    owner, guest, other = site.owner(), site.visitor(), site.visitor()
    made = finished(guest, guest.post("/api/v1/jobs", json={"prompt": "red", "steps": 1}).json()["id"])["pictures"][0]
    owner.post("/api/v1/queue/pause").raise_for_status()
    assert owner.get("/api/v1/captioners").json() == {
        "captioners": [{"name": captioner, "kind": "BLIP", "problem": None}],
        "get": "",
    }
    answer = guest.post(f"/api/v1/pictures/{made['id']}/caption")
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["task"], job["summary"], job["mine"]) == ("caption", made["name"], True)
    assert job["request"]["captioner"] == captioner
    sent = guest.post(f"/api/v1/pictures/caption?captioner={captioner.upper()}", content=picture()).json()
    assert sent["request"]["captioner"] == captioner and sent["request"]["picture"] != job["request"]["picture"]
    assert other.get(f"/api/v1/jobs/{job['id']}").status_code == 404
    assert other.post(f"/api/v1/pictures/{made['id']}/caption").status_code == 404
    for one in (job, sent):
        assert guest.delete(f"/api/v1/jobs/{one['id']}").status_code in (200, 204)


@pytest.mark.parametrize(
    ("body", "query", "status", "said"),
    [
        (b"", "", 422, "not a picture"),
        (picture()[:60], "", 422, "damaged or cut short"),
        (picture(), "?captioner=form%20onl", 422, "Did you mean 'form only'"),
        (b"\x89PNG" + bytes(33 * 2**20), "", 413, "larger than the 32 MB"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence(
    site: Site, captioner: str, body: bytes, query: str, status: int, said: str
) -> None:
    answer = site.visitor().post(f"/api/v1/pictures/caption{query}", content=body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]


def test_a_work_by_its_name_needs_a_picture_that_waits(site: Site, captioner: str) -> None:
    for name in ("", "0" * 64, "../../settings"):
        answer = site.owner().post("/api/v1/models/works/caption", json={"picture": name})
        assert (answer.status_code, answer.json()["type"]) == (422, "bad-picture"), answer.text
    assert site.visitor().post("/api/v1/models/works/caption", json={}).status_code == 403
