"""Headers that every answer carries, and those that are kept from the page's framework."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Scope

from webui.web.identity import is_proxy_header

# Gradio makes functions out of listeners' js text and workers out of blobs, and sets styles inline.
_CSP = (
    "default-src 'self'; script-src 'self' {scripts} 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
_NO_SCRIPTS = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), payment=(), usb=()",
}


def page_policy(nonce: str) -> str:
    """The content security policy of the page: inline scripts run only when they carry the nonce."""
    return _CSP.format(scripts=f"'nonce-{nonce}'")


def without_grants(headers: MutableHeaders) -> None:
    """Take away what Gradio says on other origins: it grants every one of them."""
    for name in [name for name in headers if name.startswith("access-control-")]:
        del headers[name]


def kept_for(path: str) -> str:
    """How long browsers may keep a static file: Gradio names its bundles by their content, not the rest."""
    return "public, max-age=31536000, immutable" if path.startswith("/assets/") else "public, max-age=3600"


def secure(headers: MutableHeaders, origin: str = "") -> None:
    """Add the security headers; `origin` is a page elsewhere that may read the answer, else nobody may."""
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", _NO_SCRIPTS)
    if origin:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Allow-Credentials"] = "true"
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        headers.add_vary_header("Origin")


def without_proxy(scope: Scope, https: bool) -> None:
    """Take a proxy's headers off the request, since Gradio builds addresses from them, and set the scheme instead."""
    headers = Headers(scope=scope)
    scope["headers"] = [(k, v) for k, v in headers.raw if not is_proxy_header(k.decode("latin-1"))]
    if https:
        scope["scheme"] = "https"
