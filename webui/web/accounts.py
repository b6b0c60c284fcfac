"""Accounts from --gradio-auth: names and passwords, the cookie that stands for them, and HTTP Basic."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path

from webui.core.errors import InvalidField
from webui.web.keys import Keys, same

SESSION_SECONDS = 30 * 24 * 3600


def read_accounts(flag: str = "", path: Path | None = None) -> dict[str, str]:
    """Names and passwords of 'name:password,name:password' and of a file with one or several a line (A1111's forms).

    Raises InvalidField with a sentence for anything else.
    """
    text = flag
    if path is not None:
        try:
            text += "\n" + path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            raise InvalidField(
                f"The file with accounts, {path}, cannot be read: {why}.", remedies=("Correct the path",)
            ) from error
    accounts: dict[str, str] = {}
    for entry in (part.strip() for line in text.splitlines() for part in line.split(",")):
        if not entry:
            continue
        name, colon, password = entry.partition(":")
        if not (name.strip() and colon and password.strip()):
            raise InvalidField(
                f"An account is written name:password, not '{entry.partition(':')[0][:20]}'.",
                remedies=("As in --gradio-auth ann:secret,bob:other",),
            )
        if name.strip() in accounts:
            raise InvalidField(
                f"There are two accounts with the name '{name.strip()[:20]}'.", remedies=("Give each its own name",)
            )
        accounts[name.strip()] = password.strip()
    return accounts


class Accounts:
    """Checks names and passwords. A session's cookie needs no list: it is signed, and dies with the password."""

    def __init__(self, accounts: Mapping[str, str], keys: Keys) -> None:
        self._accounts = dict(accounts)
        self._keys = keys

    def __bool__(self) -> bool:
        return bool(self._accounts)

    def check(self, name: str, password: str) -> bool:
        """Whether this is an account's password; takes as long for a name that does not exist."""
        known = self._accounts.get(name)
        right = same(password, known if known is not None else "")
        return right and known is not None

    def session(self, name: str) -> str:
        """The cookie's value for an account that has just been checked."""
        body = f"{base64.urlsafe_b64encode(name.encode()).decode()}.{int(time.time())}"
        return f"{body}.{self._keys.sign('session', self._bound(body, name))}"

    def name_in(self, cookie: str) -> str | None:
        """The account that a session's cookie stands for, or None."""
        try:
            encoded, made, signature = cookie.split(".")
            name = base64.urlsafe_b64decode(encoded).decode()
            age = time.time() - int(made)
        except (ValueError, binascii.Error):
            return None
        if name not in self._accounts or not -60 <= age <= SESSION_SECONDS:
            return None
        return name if self._keys.signed("session", self._bound(f"{encoded}.{made}", name), signature) else None

    def _bound(self, body: str, name: str) -> str:
        return f"{body}.{hashlib.sha256(self._accounts[name].encode()).hexdigest()}"


def read_basic(header: str) -> tuple[str, str] | None:
    """Name and password of an Authorization header; None for another kind, or an empty one (some clients send that)."""
    kind, _, value = header.partition(" ")
    if kind.casefold() != "basic" or not value.strip():
        return None
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace").partition(":")
    except (ValueError, binascii.Error):
        return None
    return (name, password) if colon else None
