"""Who is asking: loopback, cookies, tokens, accounts, and what never makes anybody the owner."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.datastructures import Headers

from webui.core.errors import NotAllowed, TooMany
from webui.core.job import LOCAL_OWNER, Level
from webui.web.identity import Access, Sharing, SignInNeeded, is_loopback, read_cookies
from webui.web.keys import Keys

HERE = "127.0.0.1"
OPEN = {
    "listen": Sharing(listen=True),
    "share": Sharing(share=True),
}
PROXIES = [
    {"X-Forwarded-For": "203.0.113.7"},
    {"X-Forwarded-Host": "abc.gradio.live"},
    {"X-Forwarded-Proto": "https"},
    {"Forwarded": "for=203.0.113.7"},
    {"Via": "1.1 proxy"},
    {"CF-Connecting-IP": "203.0.113.7"},
    {"CF-Ray": "1"},
    {"X-Real-IP": "203.0.113.7"},
    {"True-Client-IP": "203.0.113.7"},
    {"Tailscale-User-Login": "a@example.com"},
    {"Fly-Client-IP": "203.0.113.7"},
]


def access(folder: Path, sharing: Sharing = Sharing(), token: str = "token") -> Access:
    return Access(sharing, Keys(folder / "access.json"), token)


def cookie(pair: tuple[str, str] | None) -> Headers:
    assert pair is not None
    return Headers({"cookie": f"{pair[0]}={pair[1]}"})


@pytest.mark.parametrize("client", [HERE, "::1", "::ffff:127.0.0.1"])
def test_while_nothing_is_shared_loopback_is_the_owner(tmp_path: Path, client: str) -> None:
    assert access(tmp_path).identify(Headers({}), client).identity == LOCAL_OWNER


@pytest.mark.parametrize("client", ["192.168.1.5", "203.0.113.7", "", "testclient"])
def test_other_addresses_are_visitors(tmp_path: Path, client: str) -> None:
    assert access(tmp_path).identify(Headers({}), client).identity.level is Level.VISITOR


@pytest.mark.parametrize("headers", PROXIES, ids=lambda headers: next(iter(headers)))
def test_what_came_through_a_tunnel_is_never_the_owner(tmp_path: Path, headers: dict[str, str]) -> None:
    there = access(tmp_path)
    assert there.identify(Headers(headers), HERE).identity.level is Level.VISITOR
    with pytest.raises(NotAllowed):
        there.identify(Headers({**headers, "Authorization": "Bearer token"}), HERE)


def test_an_old_proxy_that_adds_no_header_is_not_the_owner(tmp_path: Path) -> None:
    assert access(tmp_path).identify(Headers({}), HERE, "1.0").identity.level is Level.VISITOR


@pytest.mark.parametrize("sharing", OPEN.values(), ids=OPEN)
def test_once_shared_loopback_is_a_visitor(tmp_path: Path, sharing: Sharing) -> None:
    assert access(tmp_path, sharing).identify(Headers({}), HERE).identity.level is Level.VISITOR


@pytest.mark.parametrize("sharing", OPEN.values(), ids=OPEN)
def test_the_one_time_address_makes_an_owner_once_and_a_restart_keeps_it(tmp_path: Path, sharing: Sharing) -> None:
    there = access(tmp_path, sharing)
    token = there.keys.new_entrance()
    held = there.keys.enter(token)
    assert held and there.keys.enter(token) is None
    headers = cookie((there.owner_cookie, held))
    assert there.identify(headers, "203.0.113.7").identity == LOCAL_OWNER
    assert access(tmp_path, sharing).identify(headers, HERE).identity == LOCAL_OWNER
    assert held not in (tmp_path / "access.json").read_text()
    there.keys.leave(held)
    assert there.identify(headers, HERE).identity.level is Level.VISITOR


def test_the_bearer_of_the_instances_token_is_the_owner_here_only(tmp_path: Path) -> None:
    there = access(tmp_path, OPEN["share"])
    right = Headers({"Authorization": "Bearer token"})
    assert there.identify(right, HERE).identity == LOCAL_OWNER
    for headers, client in ((right, "192.168.1.5"), (Headers({"Authorization": "Bearer wrong"}), HERE)):
        with pytest.raises(NotAllowed):
            there.identify(headers, client)
    with pytest.raises(NotAllowed):
        access(tmp_path, token="").identify(Headers({"Authorization": "Bearer "}), HERE)


def test_a_visitor_keeps_the_identity_that_only_this_server_can_give(tmp_path: Path) -> None:
    there = access(tmp_path, OPEN["share"])
    first = there.identify(Headers({}), HERE)
    again = there.identify(cookie(first.cookie), HERE)
    assert again.identity == first.identity and again.cookie is None
    assert there.identify(Headers({}), HERE).identity != first.identity
    assert first.cookie and first.cookie[1].partition(".")[0] not in first.identity.id
    name, value = first.cookie
    for forged in (value[:-1] + ("A" if value[-1] != "A" else "B"), "x" * 30, f"{'a' * 24}.{'b' * 32}", ""):
        assert there.identify(cookie((name, forged)), HERE).identity != first.identity
    other = access(tmp_path / "other", OPEN["share"])
    assert other.identify(Headers({"cookie": f"{other.visitor_cookie}={value}"}), HERE).identity != first.identity


def test_cookies_of_two_servers_on_one_host_have_different_names(tmp_path: Path) -> None:
    assert access(tmp_path / "a").owner_cookie != access(tmp_path / "b").owner_cookie


def test_a_script_that_throws_its_cookies_away_is_stopped(tmp_path: Path) -> None:
    there = access(tmp_path, OPEN["share"])
    known = there.identify(Headers({}), HERE)
    with pytest.raises(TooMany):
        for _ in range(1000):
            there.identify(Headers({}), HERE)
    assert there.identify(cookie(known.cookie), HERE).identity == known.identity


def test_with_accounts_nobody_comes_in_without_one(tmp_path: Path) -> None:
    there = access(tmp_path, Sharing(accounts={"ann": "secret"}))
    with pytest.raises(SignInNeeded):
        there.identify(Headers({}), HERE)
    basic = there.identify(Headers({"Authorization": "Basic YW5uOnNlY3JldA=="}), "203.0.113.7").identity
    by_cookie = there.identify(cookie((there.user_cookie, there.accounts.session("ann"))), HERE).identity
    assert basic == by_cookie and (basic.level, basic.name) == (Level.USER, "ann")
    with pytest.raises(SignInNeeded):
        there.identify(Headers({"Authorization": "Basic YW5uOndyb25n"}), HERE)


@pytest.mark.parametrize(
    ("host", "alone", "share", "listen"),
    [
        ("127.0.0.1:7860", True, True, True),
        ("localhost:7860", True, True, True),
        ("darkroom.localhost", True, True, True),
        ("[::1]:7860", True, True, True),
        ("LOCALHOST", True, True, True),
        ("evil.example", False, False, True),
        ("localhost.evil.example", False, False, True),
        ("127.0.0.1.evil.example:7860", False, False, True),
        ("abc.gradio.live", False, True, True),
        ("abc.gradio.live.evil.example", False, False, True),
        ("192.168.1.5:7860", False, False, True),
        ("", False, False, False),
        ("evil.example/a", False, False, False),
        ("localhost:99999", False, False, False),
        ("a@localhost", False, False, False),
        ("localhost\n", False, False, False),
    ],
)
def test_host_names(tmp_path: Path, host: str, alone: bool, share: bool, listen: bool) -> None:
    assert access(tmp_path).knows_host(host) == alone
    public = access(tmp_path, Sharing(share=True))
    public.hosts.add("abc.gradio.live")
    assert public.knows_host(host) == share
    assert access(tmp_path, Sharing(listen=True)).knows_host(host) == listen


def test_loopback_names_and_addresses() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost", "a.localhost", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("0.0.0.0", "10.0.0.1", "localhost.example", "", "::", "::ffff:10.0.0.1")))


def test_cookies_of_other_programs_do_not_hide_ours() -> None:
    found = read_cookies(Headers({"cookie": 'a={"x": 1}; b; ours=1; c="é'}))
    assert found["ours"] == "1"
