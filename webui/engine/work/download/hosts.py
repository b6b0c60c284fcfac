"""Which machines may be asked: public ones, and private ones only where a person has named one. Torch-free.

A name is resolved once and the address that was looked at is the one that is connected to, so that a name which
changes its address between the two leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from webui.core.errors import NotAllowed

_PORTS = {"http": 80, "https": 443}
_LOCAL_ENDS = (".local", ".localhost", ".lan", ".internal", ".home.arpa")


def is_private_name(host: str) -> bool:
    """Whether who types this name means a machine of their own network."""
    try:
        return not _is_public(host.strip("[]"))
    except ValueError:
        name = host.rstrip(".").lower()
        return "." not in name or name.endswith(_LOCAL_ENDS)


class Guard:
    """Decides which addresses may be connected to."""

    def __init__(self, typed: Iterable[str]) -> None:
        """typed: addresses that the person named; hosts in them that are private by name are allowed to be."""
        found = [urlsplit(url) for url in typed]
        self._private = {
            ((parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme))
            for parts in found
            if is_private_name(parts.hostname or "")
        }

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host. Raises NotAllowed for a private one, OSError where there is none."""
        found = list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        if (host.lower(), port) not in self._private:
            for address in found:
                if not _is_public(address):
                    raise NotAllowed(
                        f"{host} leads to the address {address} of a private network, which nobody asked for.",
                        remedies=("Give the address of the file itself, if that machine is yours",),
                    )
        return found


class GuardedTransport(httpx.HTTPTransport):
    """httpx' own way to a server, by guarded connections."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        # For debugging it logs where redirects lead, and such addresses are often signed.
        logging.getLogger("httpcore").setLevel(logging.INFO)
        # The one place where a connection can be guarded; httpx has no public name for it.
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(), network_backend=_Connections(guard)
        )


class ProxiedTransport(httpx.HTTPTransport):
    """By the proxy of the environment, which connects itself: names that resolve here are guarded all the same."""

    def __init__(self, guard: Guard, proxy: str) -> None:
        super().__init__(proxy=proxy)
        self._guard = guard

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx. Raises NotAllowed."""
        # Behind a proxy often no name of outside is known.
        with suppress(OSError):
            self._guard.addresses(request.url.host, request.url.port or _PORTS[request.url.scheme])
        return super().handle_request(request)


def transport_to(url: str, guard: Guard) -> httpx.BaseTransport:
    """The way to an address: straight, or by the proxy that the environment names for it."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname or ""):
        return ProxiedTransport(guard, proxy)
    return GuardedTransport(guard)


def _is_public(address: str) -> bool:
    """Raises ValueError for what is no address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None) or _nat64(found)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return found.is_global and not found.is_multicast


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


class _Connections(httpcore.NetworkBackend):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._guard.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(error.strerror or "the name is not known") from error
        for address in addresses[:-1]:
            try:
                return self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._plain.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    def sleep(self, seconds: float) -> None:
        self._plain.sleep(seconds)
