"""What this installation's server knows people by: a secret that signs cookies, and hashes of the owner's cookies."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any

from webui.core.errors import StorageProblem

log = logging.getLogger(__name__)

OWNER_SECONDS = 180 * 24 * 3600
"""How long an owner's cookie is good for."""
ENTRANCE_SECONDS = 24 * 3600
"""How long a one-time address waits to be opened."""


class Keys:
    """Kept in one small file that only this user can read, so that a restart keeps everybody signed in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._entrances: dict[str, float] = {}
        data = self._read()
        self._owners: dict[str, float] = data["owners"]
        self._secret = bytes.fromhex(data["secret"])
        self.suffix = hashlib.sha256(b"cookie names" + self._secret).hexdigest()[:8]
        """Cookies know no ports: the suffix keeps two servers on one host apart."""

    def sign(self, purpose: str, text: str) -> str:
        """The signature of `text` for one purpose, URL-safe."""
        mac = hmac.new(self._secret, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac[:24]).decode()

    def signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether `sign` made this signature."""
        return same(self.sign(purpose, text), signature)

    def new_entrance(self) -> str:
        """A token that `enter` takes once."""
        token = secrets.token_urlsafe(24)
        with self._guard:
            self._entrances[_hash(token)] = time.time()
        return token

    def waits(self, token: str) -> bool:
        """Whether `enter` would take this token now."""
        with self._guard:
            return time.time() - self._entrances.get(_hash(token), 0.0) <= ENTRANCE_SECONDS

    def enter(self, token: str) -> str | None:
        """Use a token up: the value for the owner's cookie, or None when it was not given out or is spent."""
        with self._guard:
            made = self._entrances.pop(_hash(token), None)
            if made is None or time.time() - made > ENTRANCE_SECONDS:
                return None
            cookie = secrets.token_urlsafe(32)
            now = time.time()
            kept = {k: t for k, t in self._owners.items() if now - t < OWNER_SECONDS}
            self._owners = {**kept, _hash(cookie): now}
            self._write()
            return cookie

    def is_owner(self, cookie: str) -> bool:
        """Whether this cookie was given by `enter` and is still good."""
        made = self._owners.get(_hash(cookie))
        return made is not None and time.time() - made < OWNER_SECONDS

    def leave(self, cookie: str) -> None:
        """Forget one owner's cookie."""
        with self._guard:
            if self._owners.pop(_hash(cookie), None) is not None:
                self._write()

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            owners = {str(k): float(v) for k, v in data["owners"].items()}
            if len(bytes.fromhex(data["secret"])) >= 32:
                return {"secret": data["secret"], "owners": owners}
            raise ValueError("the secret is too short")
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            log.warning("%s cannot be read (%s); everybody has to sign in again.", self._path.name, error)
        data = {"secret": secrets.token_hex(32), "owners": {}}
        self._save(data)
        return data

    def _write(self) -> None:
        self._save({"secret": self._secret.hex(), "owners": self._owners})

    def _save(self, data: dict[str, Any]) -> None:
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file)
            temporary.replace(self._path)
        except OSError as error:
            raise StorageProblem(f"{self._path} cannot be written: {error.strerror or error}.") from error


def same(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing about them."""
    return hmac.compare_digest(hashlib.sha256(one.encode()).digest(), hashlib.sha256(other.encode()).digest())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
