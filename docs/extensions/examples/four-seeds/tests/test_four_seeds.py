"""Four jobs are asked for, and their sheet is saved; the device only pretends."""

import io

from PIL import Image

from webui.extend.testing import Desk


def test_a_sheet_of_four(desk: Desk) -> None:
    asked = {"prompt": "a red circle", "seed": 7, "steps": 2, "width": 64, "height": 64}
    job = desk.client.post("/api/v1/scripts/four-seeds", json=asked).raise_for_status().json()
    ended = desk.finished(job["id"])
    assert ended["state"] == "done", ended["problem"]
    (sheet,) = ended["pictures"]
    image = Image.open(io.BytesIO(desk.client.get(f"/api/v1/pictures/{sheet['id']}/file").content))
    assert image.size == (128, 128)
    jobs = [
        desk.client.get(f"/api/v1/jobs/{one['id']}").json() for one in desk.client.get("/api/v1/jobs").json()["jobs"]
    ]
    assert sorted(one["request"]["seed"] for one in jobs if one["parent"] == job["id"]) == [7, 8, 9, 10]
