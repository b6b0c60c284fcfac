"""Seals: by them the house knows again what it gave out itself, for as long as the data folder is the same."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from threading import Lock

from webui.core.errors import StorageProblem
from webui.core.private_files import read_private, write_private

_KEY = "key"


class Seals:
    """Seals texts with a secret key, which is made on first use. Methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """path: of the key's file, which need not be there yet."""
        self._path = path
        self._lock = Lock()
        self._key = b""

    def seal(self, text: str) -> str:
        """The seal of a text, 64 digits: HMAC (RFC 2104) with SHA-256."""
        return hmac.new(self._known_key(), text.encode(), hashlib.sha256).hexdigest()

    def fits(self, seal: str, text: str) -> bool:
        """Whether it is this text's."""
        return hmac.compare_digest(seal.encode(), self.seal(text).encode())

    def _known_key(self) -> bytes:
        with self._lock:
            self._key = self._key or self._stored() or secrets.token_bytes(32)
            return self._key

    def _stored(self) -> bytes:
        """The key in the file; empty where there can be none, so that seals count until the program ends."""
        try:
            key = read_private(self._path).get(_KEY)
            if not (isinstance(key, str) and len(key) >= 32):
                key = secrets.token_hex(32)
                write_private(self._path, {_KEY: key})
        except StorageProblem:
            return b""
        return key.encode()
