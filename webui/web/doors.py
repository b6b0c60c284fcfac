"""How one gets in: the owner's one-time address, and the sign-in page for accounts."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from webui.core.errors import DarkroomError
from webui.web.accounts import SESSION_SECONDS
from webui.web.cookies import set_cookie
from webui.web.identity import Access, SignInNeeded
from webui.web.keys import OWNER_SECONDS

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Darkroom</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light"><style>
:root{{--bg:#f5f1ec;--field:#fffefc;--text:#231d1a;--muted:#665b54;--edge:#8c8077;--fill:#b8400f;
--on:#fffaf6;--err:#a8281b}}
@media (prefers-color-scheme:dark){{:root{{--bg:#12100f;--field:#221e1c;--text:#f0e9e3;--muted:#ab9f97;--edge:#7a6f68;
--fill:#f4602f;--on:#190903;--err:#ff8a75}}}}
body{{margin:0;background:var(--bg);color:var(--text);font:14px/20px system-ui,sans-serif}}
main{{max-width:320px;margin:18vh auto 0;padding:0 16px}}h1{{font-size:17px;line-height:24px;margin:0 0 16px}}
p{{margin:0 0 16px}}.err{{color:var(--err)}}label{{display:block;margin:0 0 12px;color:var(--muted);font-size:12.5px}}
input{{box-sizing:border-box;display:block;width:100%;height:44px;margin-top:4px;padding:0 12px;border:0;
border-radius:6px;background:var(--field);color:var(--text);font:inherit;font-size:16px;
box-shadow:inset 0 -1px 0 var(--edge)}}
button,a.go{{display:block;box-sizing:border-box;width:100%;height:44px;margin-top:16px;border:0;border-radius:8px;
background:var(--fill);color:var(--on);font:inherit;line-height:44px;font-weight:700;text-align:center;text-decoration:none}}
:focus-visible{{outline:2px solid var(--fill);outline-offset:2px}}
</style></head><body><main><h1>{title}</h1>{body}</main></body></html>"""

_FORM = """{said}<form method="post" action="{root}/signin">
<label>Name<input name="name" autocomplete="username" autocapitalize="none" required autofocus></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit">Sign in</button></form>"""


_DOOR = """<p>This address makes one browser the owner's, with all rights. It works once.</p>
<form method="post"><button type="submit" autofocus>Open Darkroom as its owner</button></form>"""


def build_doors(access: Access) -> APIRouter:
    """The routes by which one gets in and out."""
    router = APIRouter(include_in_schema=False)

    @router.get("/enter/{token}")
    def door(token: str, request: Request) -> Response:
        """The one-time address asks for a press of its button: a chat program's link preview must not use it up."""
        root = request.scope.get("root_path", "")
        if access.keys.is_owner(request.cookies.get(access.owner_cookie, "")):
            return RedirectResponse(root + "/", 303)
        return _page("Darkroom", _DOOR) if access.keys.waits(token) else _spent(root)

    @router.post("/enter/{token}")
    def enter(token: str, request: Request) -> Response:
        """Use the address up, which makes this browser the owner's."""
        root = request.scope.get("root_path", "")
        # An owner who opens the address again, or another one, stays the owner and uses nothing up.
        if access.keys.is_owner(request.cookies.get(access.owner_cookie, "")):
            return RedirectResponse(root + "/", 303)
        cookie = access.keys.enter(token)
        if cookie is None:
            return _spent(root)
        response = RedirectResponse(root + "/", 303, {"Cache-Control": "no-store"})
        set_cookie(response, access.owner_cookie, cookie, secure=_https(request), seconds=OWNER_SECONDS)
        return response

    @router.get("/signin")
    def form(request: Request) -> Response:
        """The sign-in page."""
        root = request.scope.get("root_path", "")
        return _form(root) if access.accounts else RedirectResponse(root + "/", 303)

    @router.post("/signin")
    async def sign_in(request: Request) -> Response:
        """Check name and password and set the session's cookie."""
        root = request.scope.get("root_path", "")
        sent = parse_qs((await request.body()).decode("utf-8", "replace"))
        client = request.client.host if request.client else ""
        try:
            name = access.sign_in(sent.get("name", [""])[0].strip(), sent.get("password", [""])[0].strip(), client)
        except DarkroomError as error:
            return _form(root, error)
        response = RedirectResponse(root + "/", 303, {"Cache-Control": "no-store"})
        cookie = access.accounts.session(name)
        set_cookie(response, access.user_cookie, cookie, secure=_https(request), seconds=SESSION_SECONDS)
        return response

    @router.post("/signout")
    def sign_out(request: Request) -> Response:
        """Forget this browser, as owner and as account."""
        access.keys.leave(request.cookies.get(access.owner_cookie, ""))
        response = RedirectResponse(request.scope.get("root_path", "") + "/", 303, {"Cache-Control": "no-store"})
        for name in (access.owner_cookie, access.user_cookie):
            set_cookie(response, name, "", secure=_https(request), seconds=0)
        return response

    return router


def _spent(root: str) -> Response:
    link = f'<a class="go" href="{escape(root)}/">Go on as a guest</a>'
    said = "This address was used already, or is too old. Whoever runs the server can make a new one."
    return _page("This address is spent", f"<p>{said}</p>{link}", 403)


def _form(root: str, error: DarkroomError | None = None) -> Response:
    said = f'<p class="err" role="alert">{escape(error.detail)}</p>' if error else ""
    status = error.status if error and not isinstance(error, SignInNeeded) else 401 if error else 200
    return _page("Darkroom", _FORM.format(said=said, root=escape(root)), status)


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status, {"Cache-Control": "no-store"})


def _https(request: Request) -> bool:
    return str(request.scope.get("scheme")) == "https"
