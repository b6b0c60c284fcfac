"""Gradio's tunnel, which gives the server a public address for a while; the one place that opens and closes it."""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from webui.core.errors import DarkroomError

_NO_NAME = "its name can't be looked up, as without a network"
_IN_WORDS = {
    "name or service not known": _NO_NAME,
    "temporary failure in name resolution": _NO_NAME,
    "nodename nor servname provided, or not known": _NO_NAME,
    "getaddrinfo failed": _NO_NAME,
    "network is unreachable": "this machine has no network",
    "timed out": "no answer came",
}
"""What systems say when there is no network, each in its own way."""

log = logging.getLogger(__name__)


class NoTunnel(DarkroomError):
    """The public address can't be had."""

    type = "share"
    title = "No public address"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """An open tunnel. `url` is its public address, `host` the name in it."""

    url: str
    process: Any

    @property
    def host(self) -> str:
        """The public host name."""
        return urlsplit(self.url).hostname or ""

    def close(self) -> None:
        """End the tunnel's process."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()


def open_tunnel(port: int, *, server: str | None = None) -> Tunnel:
    """A tunnel to this port of this machine; takes up to half a minute. Raises NoTunnel with a sentence.

    `server` is the host:port of a tunnel server of one's own, instead of Gradio's.
    """
    # Gradio takes seconds to import, and only those who share need this part of it.
    from gradio import tunneling
    from gradio.exceptions import ChecksumMismatchError, ShareCertificateWriteError
    from gradio.networking import setup_tunnel

    try:
        url = setup_tunnel("127.0.0.1", port, secrets.token_urlsafe(32), server, None)
    except ChecksumMismatchError:
        raise _no("the tunnel's program (frpc) that was fetched is not the one that Gradio published") from None
    except httpx.HTTPError as error:
        raise _no(f"the tunnel's program (frpc) can't be fetched: {_why(error)}") from error
    except ShareCertificateWriteError as error:
        raise _no(f"the certificate can't be written: {_why(error)}") from error
    except RuntimeError as error:
        raise _no(f"Gradio's tunnel service can't be reached: {_why(error.__cause__ or error)}") from error
    except OSError as error:
        raise _no(f"the tunnel's program (frpc) can't be started here: {_why(error)}") from error
    except ValueError as error:
        raise _no(f"the tunnel's server refused: {_why(error)}") from error
    opened = next((t for t in tunneling.CURRENT_TUNNELS if t.url == url), None)
    return Tunnel(url, opened.proc if opened else None)


def _no(why: str) -> NoTunnel:
    return NoTunnel(
        f"There is no public address: {why}. The page works on this machine as always.",
        remedies=("Check this machine's way to the internet", "Use --listen for others on your own network"),
    )


def _why(error: BaseException) -> str:
    """The error's first line in a person's words: without the system's number for it."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    said = re.sub(r"\[(Errno|WinError|SSL: \w+) ?-?\d*\] ?", "", line)[:200].rstrip(".")
    return _IN_WORDS.get(said.casefold(), said)
