"""The table of rights against the real application: every route has a row, and every row holds for every level."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import httpx
import pytest
from fastapi import Request

from tests.web.helpers import TINY, Site
from webui.core.errors import NotAllowed
from webui.core.job import Level
from webui.web.access import RIGHTS, identity_of
from webui.web.limits import Limits
from webui.web.routes import registered

_SAMPLES = {
    "{path:path}": "js/nothing.js",
    "{path_or_url:path}": "nothing.png",
    "{url_path:path}": "http://127.0.0.1:1/",
    "{component_id}": "1",
    "{size}": "64",
    "{environment}": "client",
}
_BODIES = {
    "POST /api/v1/jobs": TINY,
    "POST /api/v1/tokens": {"text": "a"},
    "POST /api/v1/infotext": {"text": "a\nSteps: 2"},
    "PATCH /api/v1/settings": {"live_previews_enable": True},
}
_sessions = itertools.count()


def _request(client: httpx.Client, name: str) -> httpx.Response:
    """A real request for a row of the table; of a stream only the head is read."""
    method, path = name.removesuffix(" (page)").split(" ", 1)
    session = f"walk{next(_sessions)}"
    for part in path.replace("/", " ").replace("=", " ").replace(".", " ").split():
        if part.startswith("{"):
            path = path.replace(part, _SAMPLES.get(part, session))
    body: object = _BODIES.get(name)
    if body is None and method == "POST" and "/gradio_api/" in path:
        body = {"session_hash": session, "fn_index": 999_999, "data": [], "event_id": "none", "component_id": 1}
    query = {"session_hash": session} if path.endswith(("queue/data", "deep_link")) else {"upload_id": "none"}
    with client.stream(method, path, params=query, json=body) as response:
        if response.headers.get("content-type", "").startswith("application/problem"):
            response.read()
        return response


def _refused(response: httpx.Response, status: int = 403) -> bool:
    return response.status_code == status and response.headers["content-type"] == "application/problem+json"


def test_every_registered_route_has_a_row_and_no_row_is_left_over(shared: Site) -> None:
    names = {route.name for route in registered(shared.app.router.routes)}
    assert names - set(RIGHTS) == set(), "routes without a row"
    assert set(RIGHTS) - names == set(), "rows without a route"
    assert len(names) > 100


@pytest.mark.parametrize("name", [name for name in RIGHTS if not name.endswith("(page)")])
def test_row_holds_for_every_level(
    name: str, shared: Site, accounts: Site, people: Callable[[], dict[str, httpx.Client]]
) -> None:
    right = RIGHTS[name]
    stops = []
    for site in (shared, accounts):
        # The walk asks more at once than a person may; the limits have tests of their own.
        site.access.limits = Limits()
    shared.app.state.stop = accounts.app.state.stop = lambda: stops.append(name)
    asked = people()
    answers = {who: _request(client, name) for who, client in asked.items()}

    if right.level is None:
        assert all(_refused(answer) for who, answer in answers.items() if who != "nobody"), answers
    else:
        assert not _refused(answers["owner"])
        for who, level in (("visitor", Level.VISITOR), ("user", Level.USER)):
            assert _refused(answers[who]) == (level.rank < right.level.rank), who
    open_to_nobody = right.signed_out or right.level is None
    assert _refused(answers["nobody"], 401) != open_to_nobody, answers["nobody"]
    for answer in answers.values():
        assert answer.status_code < 500 and answer.headers["x-content-type-options"] == "nosniff"
    assert stops == ([name] if name in ("POST /api/v1/shutdown", "POST /api/v1/restart") else [])


@pytest.fixture(scope="module")
def people(shared: Site, accounts: Site) -> Callable[[], dict[str, httpx.Client]]:
    """One of each level; signing out makes new ones necessary, so they are made when they are asked for."""
    made: dict[str, httpx.Client] = {}

    def get() -> dict[str, httpx.Client]:
        if not made:
            made["owner"] = shared.owner()
            made["visitor"] = shared.visitor()
            made["user"] = accounts.client()
            made["nobody"] = accounts.client()
        made["user"].post("/signin", data={"name": "ann", "password": "secret"})
        made["nobody"].cookies.clear()
        return made

    return get


def test_a_route_without_a_row_is_refused_even_to_the_owner(alone: Site) -> None:
    alone.app.add_api_route("/api/v1/forgotten", lambda: {"secret": 1}, methods=["GET"])
    route = alone.app.router.routes.pop()
    alone.app.router.routes.insert(0, route)
    try:
        answer = alone.client().get("/api/v1/forgotten")
    finally:
        alone.app.router.routes.remove(route)
    assert answer.status_code == 403
    assert "no row" in answer.json()["detail"]


def test_a_request_that_never_passed_the_gate_is_nobodys() -> None:
    with pytest.raises(NotAllowed):
        identity_of(Request({"type": "http", "headers": []}))
