"""How one gets in: the one-time address, the sign-in page, HTTP Basic, signing out."""

from __future__ import annotations

import httpx
import pytest

from tests.web.helpers import TINY, TUNNEL, Site


def level(client: httpx.Client) -> str:
    you: dict[str, str] = client.get("/api/v1/status").json()["you"]
    return you["level"]


def cookie_of(answer: httpx.Response, kind: str) -> str:
    return next(line for line in answer.headers.get_list("set-cookie") if line.startswith(f"darkroom_{kind}_"))


def test_the_one_time_address_makes_an_owner_once(shared: Site) -> None:
    address = f"/enter/{shared.access.keys.new_entrance()}"
    first, second = shared.client(), shared.client()
    shown = first.get(address)
    assert shown.status_code == 200 and level(first) == "visitor"
    answer = first.post(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    line = cookie_of(answer, "owner")
    assert "HttpOnly" in line and "SameSite=Lax" in line and "Path=/" in line and "Secure" not in line
    assert level(first) == "owner"
    for late in (second.get(address), second.post(address)):
        assert late.status_code == 403 and "spent" in late.text
    assert level(second) == "visitor"
    assert first.get(address).status_code == 303, "the owner may open the address again"


def test_through_the_tunnel_the_cookie_is_for_https_only(shared: Site) -> None:
    client = shared.client(**TUNNEL)
    answer = client.post(f"/enter/{shared.access.keys.new_entrance()}")
    assert cookie_of(answer, "owner").endswith("; Secure")
    name_and_value = cookie_of(answer, "owner").partition(";")[0]
    assert level(shared.client(**TUNNEL, Cookie=name_and_value)) == "owner"


def test_a_link_preview_uses_nothing_up(shared: Site) -> None:
    address = f"/enter/{shared.access.keys.new_entrance()}"
    for _ in range(2):
        assert shared.client().get(address).status_code == 200
    client = shared.client()
    client.post(address)
    assert level(client) == "owner"


def test_an_owner_lets_another_browser_in(shared: Site) -> None:
    made = shared.owner().post("/api/v1/entrance")
    assert made.status_code == 201
    client = shared.client()
    client.post(made.json()["path"])
    assert level(client) == "owner"
    assert client.post("/signout").status_code == 303
    assert level(client) == "visitor"


def test_guessed_addresses_are_refused_and_counted(shared: Site) -> None:
    visitor = shared.visitor()
    assert visitor.get("/enter/x").status_code == 403
    assert visitor.post("/enter/x").status_code == 403
    assert level(visitor) == "visitor"


def test_without_accounts_there_is_no_sign_in_page(shared: Site) -> None:
    assert shared.client().get("/signin").status_code == 303
    assert shared.client().post("/signin", data={"name": "ann", "password": ""}).status_code == 401


def test_with_accounts_everything_asks_for_one(accounts: Site) -> None:
    client = accounts.client()
    for path in ("/api/v1/status", "/config", "/theme.css", "/static/img/logo.svg", "/openapi.json", "/"):
        answer = client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Basic")
    page = client.get("/", headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
    assert (page.status_code, page.headers["location"]) == (303, "/signin")
    script = client.get("/api/v1/status", headers={"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"})
    assert script.status_code == 401 and "www-authenticate" not in script.headers
    assert client.post("/gradio_api/queue/join", json={}).status_code == 401


def test_signing_in_by_the_page(accounts: Site) -> None:
    client = accounts.client()
    form = client.get("/signin")
    assert form.status_code == 200 and 'type="password"' in form.text
    wrong = client.post("/signin", data={"name": '"><script>', "password": "no"})
    assert wrong.status_code == 401 and "not right" in wrong.text and "<script>" not in wrong.text
    right = client.post("/signin", data={"name": "ann", "password": "secret"})
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert client.get("/api/v1/status").json()["you"] | {"id": ""} == {"id": "", "level": "user", "name": "ann"}
    assert client.get("/").status_code == 200
    client.post("/signout")
    assert client.get("/api/v1/status").status_code == 401


def test_signing_in_by_basic_and_being_the_same_person_everywhere(accounts: Site) -> None:
    one, two = accounts.client(), accounts.client()
    one.auth = ("ann", "secret")
    two.post("/signin", data={"name": "ann", "password": "secret"})
    made = one.post("/api/v1/jobs", json=TINY).raise_for_status().json()
    assert two.get(f"/api/v1/jobs/{made['id']}").json()["mine"] is True
    other = accounts.client()
    other.auth = ("bob", "other")
    assert other.get(f"/api/v1/jobs/{made['id']}").status_code == 404
    assert other.get("/api/v1/settings").status_code == 403
    nobody = accounts.client(Authorization="Basic")
    assert nobody.get("/api/v1/status").status_code == 401


def test_loopback_is_no_owner_where_accounts_are(accounts: Site) -> None:
    assert accounts.client().get("/api/v1/settings").status_code == 401
    assert accounts.owner().get("/api/v1/settings").status_code == 200
    client = accounts.client()
    client.post(f"/enter/{accounts.access.keys.new_entrance()}")
    assert level(client) == "owner"


def test_passwords_cannot_be_tried_for_ever(accounts: Site) -> None:
    statuses = []
    for number in range(14):
        client = accounts.client()
        client.auth = ("zed", f"guess {number}")
        statuses.append(client.get("/api/v1/status").status_code)
    assert statuses[0] == 401 and statuses[-1] == 429
    page = accounts.client().post("/signin", data={"name": "zed", "password": "x"})
    assert page.status_code == 429 and "Too many wrong passwords" in page.text


@pytest.mark.parametrize("body", [b"", b"name=%ff", b"\xff", b"name=a&name=b", b"a" * 9000])
def test_broken_forms(accounts: Site, body: bytes) -> None:
    answer = accounts.client().post("/signin", content=body)
    assert answer.status_code in (401, 413)
