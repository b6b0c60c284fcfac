"""The setting `localization`: what extensions bring words in can be chosen, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.helpers import Site, serving
from webui.web.identity import Sharing


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for name, files in {"talk": ("de", "pt-br"), "other": ("de", "fr", "en")}.items():
        home = tmp_path / "extensions" / name
        (home / "locales").mkdir(parents=True)
        (home / "extension.toml").write_text(f'name = "{name}"\nversion = "1"\napi = "1"\n')
        (home / "extension.py").write_text("")
        for tag in files:
            (home / "locales" / f"{tag}.toml").write_text("title = 'T'\n")
    with serving(tmp_path, Sharing(), page=False) as made:
        yield made


def listed(site: Site) -> list[str]:
    return site.owner().get("/api/v1/settings").json()["schema"]["properties"]["localization"]["enum"]


def test_the_languages_are_those_that_are_there(site: Site) -> None:
    assert listed(site) == ["None", "en", "de", "fr", "pt-BR"]
    site.owner().post("/api/v1/extensions/other/disable").raise_for_status()
    assert listed(site) == ["None", "en", "de", "pt-BR"]


def test_one_of_them_is_chosen_and_another_refused_with_what_there_is(site: Site) -> None:
    client = site.owner()
    answer = client.patch("/api/v1/settings", json={"localization": "PT-br"})
    assert answer.json()["values"]["localization"] == "pt-BR"
    refused = client.patch("/api/v1/settings", json={"localization": "tlh"})
    assert refused.status_code == 422 and refused.json()["field"] == "localization"
    assert "tlh" in refused.json()["detail"] and site.house.settings.current.localization == "pt-BR"
