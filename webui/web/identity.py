"""Who is asking: owner, signed-in user or visitor, found from the connection, its headers and its cookies.

While nothing is shared, whoever reaches the loopback page is the owner. As soon as --listen, --share or --gradio-auth
is on, only the holder of a cookie from the one-time address is, or the bearer of the token in data/instance.json.
An address is never a proof by itself: a tunnel's or a proxy's traffic comes from 127.0.0.1 as well, so a request that
carries a proxy's headers is never the owner by loopback.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from webui.core.errors import DarkroomError, NotAllowed
from webui.core.job import LOCAL_OWNER, Identity, Level
from webui.web.accounts import Accounts, read_basic
from webui.web.keys import Keys, same
from webui.web.limits import Limits

_PROXY_NAMES = frozenset(
    {
        "fastly-client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-amzn-trace-id",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-host",
        "x-original-forwarded-for",
        "x-original-host",
        "x-original-url",
        "x-proxyuser-ip",
        "x-real-ip",
        "x-rewrite-url",
        "x-scheme",
    }
)
_PROXY_PREFIXES = (
    "x-forwarded",
    "cf-",
    "tailscale-",
    "ngrok-",
    "fly-",
    "x-envoy-",
    "x-azure-",
    "x-arr-",
    "x-appengine-",
)
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253})(?::(\d{1,5}))?")


class SignInNeeded(DarkroomError):
    """Accounts are on and nobody has signed in."""

    type = "sign-in"
    title = "Sign in"
    status = 401


@dataclass(frozen=True, slots=True)
class Sharing:
    """How far the server is open. `accounts`: name to password; `origins`: pages elsewhere that may call the API."""

    listen: bool = False
    share: bool = False
    accounts: Mapping[str, str] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    subpath: str = ""
    insecure_extension_access: bool = False
    """Extensions may be installed although the server is open."""

    @property
    def root(self) -> str:
        """The subpath as it stands before every address: '' or '/name'."""
        inner = self.subpath.strip("/")
        return f"/{inner}" if inner else ""

    @property
    def shared(self) -> bool:
        """Whether anybody but this machine's owner is meant to reach the server."""
        return self.listen or self.share or bool(self.accounts)

    @property
    def locked(self) -> str | None:
        """Why no extension may be installed, updated or removed, as a sentence; None where it may."""
        if not self.shared or self.insecure_extension_access:
            return None
        return (
            "Extensions are programs, so they cannot be installed, switched or removed while the page is open to "
            "others (--share, --listen, accounts), unless it was started with --enable-insecure-extension-access."
        )


@dataclass(frozen=True, slots=True)
class Asker:
    """What `Access.identify` found: the identity, and the cookie to set when it is new."""

    identity: Identity
    cookie: tuple[str, str] | None = None


class Access:
    """The one place that turns a request into an identity."""

    def __init__(self, sharing: Sharing, keys: Keys, token: str = "") -> None:
        self.sharing = sharing
        self.keys = keys
        self.accounts = Accounts(sharing.accounts, keys)
        self.limits = Limits()
        self.hosts: set[str] = set()
        """Names from outside that the server answers to, without ports: the tunnel's."""
        self._token = token
        self.owner_cookie, self.user_cookie, self.visitor_cookie = (
            f"darkroom_{kind}_{keys.suffix}" for kind in ("owner", "user", "visitor")
        )

    def identify(self, headers: Headers, client: str, http_version: str = "1.1") -> Asker:
        """Who this request is from. Raises SignInNeeded, or NotAllowed for a token that is wrong."""
        direct = is_loopback(client) and not through_proxy(headers) and http_version != "1.0"
        authorization = headers.get("authorization", "")
        if authorization[:7].casefold() == "bearer ":
            if direct and self._token and same(authorization[7:].strip(), self._token):
                return Asker(LOCAL_OWNER)
            raise NotAllowed("The token in the Authorization header is not this server's.")
        cookies = read_cookies(headers)
        if self.keys.is_owner(cookies.get(self.owner_cookie, "")):
            return Asker(LOCAL_OWNER)
        if direct and not self.sharing.shared:
            return Asker(LOCAL_OWNER)
        if self.accounts:
            return Asker(self._user(cookies, authorization, client))
        return self._visitor(cookies)

    def _user(self, cookies: Mapping[str, str], authorization: str, client: str) -> Identity:
        name = self.accounts.name_in(cookies.get(self.user_cookie, ""))
        basic = read_basic(authorization) if name is None else None
        if basic is not None:
            name = self.sign_in(*basic, client)
        if name is None:
            raise SignInNeeded("Sign in with the name and password that the owner of this server gave you.")
        return user_identity(name)

    def sign_in(self, name: str, password: str, client: str) -> str:
        """The account's name when the password is right. Raises SignInNeeded, or TooMany after many wrong tries."""
        self.limits.sign_in_try(f"{client} {name[:200]}")
        if not self.accounts.check(name, password):
            self.limits.sign_in_failed(f"{client} {name[:200]}")
            raise SignInNeeded("The name or the password is not right.")
        return name

    def _visitor(self, cookies: Mapping[str, str]) -> Asker:
        token, _, signature = cookies.get(self.visitor_cookie, "").partition(".")
        if len(token) >= 22 and self.keys.signed("visitor", token, signature):
            return Asker(_visitor_identity(token))
        self.limits.new_visitor()
        token = secrets.token_urlsafe(18)
        return Asker(_visitor_identity(token), (self.visitor_cookie, f"{token}.{self.keys.sign('visitor', token)}"))

    def knows_host(self, host: str) -> bool:
        """Whether the server answers to this Host header; a page that was made to point here by its name does not pass.

        With --listen every well-formed name passes, since the server cannot know all its names; there loopback
        makes nobody the owner.
        """
        found = _HOST.fullmatch(host)
        if found is None or int(found[2] or 0) > 65535:
            return False
        name = found[1].casefold().rstrip(".")
        return self.sharing.listen or name in self.hosts or is_loopback(name.strip("[]"))


def user_identity(name: str) -> Identity:
    """The identity of a signed-in account: stable, and no visitor's."""
    return Identity("user-" + hashlib.sha256(name.encode()).hexdigest()[:20], Level.USER, name)


def is_loopback(name: str) -> bool:
    """Whether a host name or address means this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def through_proxy(headers: Headers) -> bool:
    """Whether a header says that the request came by way of another machine."""
    return any(is_proxy_header(name) for name in headers)


def is_proxy_header(name: str) -> bool:
    """Whether proxies and tunnels add a header of this name (lower case)."""
    return name in _PROXY_NAMES or name.startswith(_PROXY_PREFIXES)


def read_cookies(headers: Headers) -> dict[str, str]:
    """Cookies by name, as browsers send them."""
    return cookie_parser("; ".join(headers.getlist("cookie")))


def _visitor_identity(token: str) -> Identity:
    return Identity("visitor-" + hashlib.sha256(token.encode()).hexdigest()[:20], Level.VISITOR)
