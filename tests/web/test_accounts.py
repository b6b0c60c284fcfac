"""Accounts: how they are written, checked, and what a session's cookie is worth."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from webui.core.errors import InvalidField
from webui.web import accounts as module
from webui.web.accounts import Accounts, read_accounts, read_basic
from webui.web.keys import Keys


def test_a1111s_forms_are_read(tmp_path: Path) -> None:
    file = tmp_path / "auth.txt"
    file.write_text("bob:b:c\n\n cy:d , dee:e\n", encoding="utf-8")
    assert read_accounts("ann:a,ben:x", file) == {"ann": "a", "ben": "x", "bob": "b:c", "cy": "d", "dee": "e"}
    assert read_accounts() == {}


@pytest.mark.parametrize("text", ["ann", "ann:", ":secret", "ann:a,ben"])
def test_other_forms_are_refused_without_showing_the_password(text: str) -> None:
    with pytest.raises(InvalidField, match="name:password") as caught:
        read_accounts(text)
    assert "secret" not in caught.value.detail


def test_two_accounts_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidField, match="two accounts with the name 'ann'") as caught:
        read_accounts("ann:secret,ben:b,ann:other")
    assert "secret" not in caught.value.detail


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match=r"missing\.txt"):
        read_accounts("", tmp_path / "missing.txt")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.json")


def test_passwords(keys: Keys) -> None:
    accounts = Accounts({"ann": "secret"}, keys)
    assert accounts and accounts.check("ann", "secret")
    for name, password in (("ann", "Secret"), ("ann", ""), ("bob", "secret"), ("bob", ""), ("", "")):
        assert not accounts.check(name, password)
    assert not Accounts({}, keys)


def test_a_session_dies_with_its_password_and_with_time(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts({"ann": "secret", "zoë": "x"}, keys)
    cookie = accounts.session("ann")
    assert accounts.name_in(cookie) == "ann"
    assert accounts.name_in(accounts.session("zoë")) == "zoë"
    assert Accounts({"ann": "changed"}, keys).name_in(cookie) is None
    assert Accounts({"bob": "secret"}, keys).name_in(cookie) is None
    _, made, signature = cookie.split(".")
    other = base64.urlsafe_b64encode("zoë".encode()).decode()
    for forged in (f"{other}.{made}.{signature}", cookie + "x", "a.b.c", "a.b", "", f"%%%.{made}.{signature}"):
        assert accounts.name_in(forged) is None
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + module.SESSION_SECONDS + 1)
    assert accounts.name_in(cookie) is None


def test_basic() -> None:
    assert read_basic("Basic " + base64.b64encode(b"ann:a:b").decode()) == ("ann", "a:b")
    for header in ("", "Basic ", "Basic", "Bearer x", "Basic %%%", "Basic " + base64.b64encode(b"ann").decode()):
        assert read_basic(header) is None
