"""Addresses of extensions: answered with what their function returns, kept to their level, named when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import Site, finished, serving
from webui.core.errors import NotAllowed
from webui.core.job import Identity, Level
from webui.web.identity import Sharing

ROUTES = """
from webui.core.errors import InvalidField
from webui.extend import Reply, Route, hookimpl

@hookimpl
def routes():
    return [
        Route("counts", "extension:counts", level="visitor"),
        Route("make", "extension:make", method="POST"),
        Route("raw", "extension:raw"),
        Route("wrong", "extension:wrong"),
        Route("odd", "extension:odd"),
        Route("no", "extension:no"),
        Route("late", "late:answer"),
        Route("dead", "dead:answer"),
    ]

def counts(asked):
    return {"pictures": len(asked.house.pictures()), "search": asked.values.get("search"), "level": asked.who.level}

def make(asked):
    return {"id": asked.house.submit(asked.values).id}

def raw(asked):
    return Reply(b"abc", "text/plain")

def wrong(asked):
    return 1 / 0

def odd(asked):
    return object()

def no(asked):
    raise InvalidField("Not so.", field="search")
"""

LATE = """
import asyncio

try:
    asyncio.get_running_loop()
    WHERE = "on the event loop"
except RuntimeError:
    WHERE = "on a thread"

def answer(asked):
    return {"imported": WHERE}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("routes")
    make_sham(folder / "models" / "Stable-diffusion" / SHAM_NAME)
    for name in ("one", "two"):
        home = folder / "extensions" / name
        home.mkdir(parents=True)
        (home / "extension.toml").write_text(f'name = "{name}"\nversion = "1"\napi = "1"\n', encoding="utf-8")
        (home / "extension.py").write_text(ROUTES, encoding="utf-8")
        (home / "late.py").write_text(LATE, encoding="utf-8")
        (home / "dead.py").write_text("raise SystemExit(3)", encoding="utf-8")
    with serving(folder, Sharing(), page=False) as found:
        yield found


def test_an_address_answers_and_may_do_what_its_asker_may(site: Site) -> None:
    client = site.client()
    job = client.post("/api/v1/x/one/make", json={"prompt": "red"})
    assert job.status_code == 200, job.text
    assert finished(client, job.json()["id"])["state"] == "done"
    for name in ("one", "two"):
        answer = client.get(f"/api/v1/x/{name}/counts", params={"search": "red"}).json()
        assert answer == {"pictures": 1, "search": "red", "level": "owner"}
    raw = client.get("/api/v1/x/one/raw")
    assert (raw.content, raw.headers["content-type"].split(";")[0]) == (b"abc", "text/plain")


@pytest.mark.parametrize(
    ("method", "address", "status", "sentence"),
    [
        ("GET", "one/nothing", 404, "No extension has such an address."),
        ("GET", "three/counts", 404, "No extension has such an address."),
        ("GET", "one/make", 404, "No extension has such an address."),
        ("POST", "one/make", 422, "sampler"),
        ("GET", "one/wrong", 500, "The extension 'one' failed in routes: ZeroDivisionError"),
        ("GET", "two/odd", 500, "The extension 'two' answered odd with what is no JSON."),
        ("GET", "one/no", 422, "Not so."),
        ("GET", "one/dead", 500, "The extension 'one' failed in routes: SystemExit: 3."),
    ],
)
def test_what_goes_wrong_is_a_problem(site: Site, method: str, address: str, status: int, sentence: str) -> None:
    body = {"sampler_name": "nothing"} if method == "POST" else None
    answer = site.client().request(method, f"/api/v1/x/{address}", json=body)
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["detail"]


def test_a_module_is_imported_where_it_may_take_its_time(site: Site) -> None:
    assert site.client().get("/api/v1/x/one/late").json() == {"imported": "on a thread"}


def test_an_address_is_the_owner_s_unless_its_row_says_more(site: Site) -> None:
    guest = Identity("guest", Level.VISITOR)
    answer = site.house.service.extension_routes.answer
    assert asyncio.run(answer("one", "counts", "GET", {}, guest))["level"] == "visitor"
    with pytest.raises(NotAllowed):
        asyncio.run(answer("one", "raw", "GET", {}, guest))
