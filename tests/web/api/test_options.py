"""Options of samplers over HTTP: a job that has them, one that cannot, and settings as their defaults."""

from __future__ import annotations

import pytest

from tests.web.helpers import TINY, Site, finished

URL = "/api/v1/jobs"


def test_a_job_has_the_options_that_it_asks_for_and_its_picture_says_so(alone: Site) -> None:
    client = alone.client()
    asked = {"sampler_name": "Euler a", "scheduler": "Karras", "eta": 0.5, "rho": 5, "s_churn": 9, "s_noise": None}
    job = client.post(URL, json={**TINY, **asked}).json()
    request = job["request"]
    assert [request[name] for name in ("eta", "rho", "s_churn", "s_noise")] == [0.5, 5.0, 0.0, 1.0]
    (made,) = finished(client, job["id"])["pictures"]
    assert "Eta: 0.5, Schedule rho: 5" in made["infotext"] and "Sigma" not in made["infotext"]
    assert {"label": "Schedule rho", "value": "5"} in made["values"]
    read = client.post("/api/v1/infotext", json={"text": made["infotext"]}).json()
    assert (read["values"]["eta"], read["values"]["rho"], read["unknown"].keys()) == (0.5, 5.0, {"Version"})


def test_a_changed_setting_is_told_to_the_page_and_taken_by_the_next_job(alone: Site) -> None:
    client = alone.client()
    try:
        changed = {"eta_ancestral": 0.25, "always_discard_next_to_last_sigma": True}
        assert client.patch("/api/v1/settings", json=changed).status_code == 200
        told = client.get("/api/v1/status").json()["settings"]
        assert (told["eta"], told["always_discard_next_to_last_sigma"]) == (0.25, True)
        request = client.post(URL, json={**TINY, "sampler_name": "Euler a"}).json()["request"]
        assert (request["eta"], request["always_discard_next_to_last_sigma"]) == (0.25, True)
        refused = client.patch("/api/v1/settings", json={"sigma_min": 3, "sigma_max": 2})
        assert refused.status_code == 422 and refused.json()["field"] == "sigma_min"
    finally:
        client.patch("/api/v1/settings", json={"eta_ancestral": 1, "always_discard_next_to_last_sigma": False})


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"eta": 5}, "eta", "Eta is 5; it must be between 0 and 1"),
        ({"steps": 151}, "steps", "between 1 and 150"),
        ({"sigma_min": 20, "sigma_max": 10}, "sigma_min", "below sigma max, which is 10"),
        ({"s_churm": 5}, "s_churm", "Did you mean 's_churn'"),
        ({"sampler_name": "UniPC", "uni_pc_order": 9}, "uni_pc_order", "between 1 and 8"),
        ({"sgm_noise_multiplier": 1}, "sgm_noise_multiplier", "must be true or false"),
    ],
)
def test_what_no_sampler_could_do_is_refused_before_it_is_queued(
    alone: Site, values: dict[str, object], field: str, words: str
) -> None:
    answer = alone.client().post(URL, json={**TINY, **values})
    assert answer.status_code == 422
    assert answer.json()["field"] == field and words in answer.json()["detail"]
