"""Finding a request's route before it gets there agrees with where it arrives."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from webui.web.routes import find, registered


def application() -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    router = APIRouter(prefix="/api")
    router.add_api_route("/things/{thing}", lambda thing: thing, methods=["GET"])
    router.add_api_route("/things/{thing}", lambda thing: thing, methods=["DELETE"])
    router.add_api_route("/things/{thing}/parts", lambda thing: thing, methods=["POST"])
    app.include_router(router)
    inner = [
        Route("/api/things/{thing}", lambda request: PlainTextResponse("hidden")),
        Route("/file={path:path}", lambda request: PlainTextResponse("file")),
        WebSocketRoute("/socket", lambda socket: None),
    ]
    app.router.routes.append(Mount("/", routes=inner))
    return app


def test_every_route_is_named_in_order_and_hidden_ones_are_marked() -> None:
    names = [route.name for route in registered(application().router.routes)]
    assert names == [
        "GET /api/things/{thing}",
        "DELETE /api/things/{thing}",
        "POST /api/things/{thing}/parts",
        "GET /api/things/{thing} (page)",
        "HEAD /api/things/{thing}",
        "GET /file={path:path}",
        "HEAD /file={path:path}",
        "WebSocketRoute /socket",
    ]


def test_a_request_finds_its_route_and_its_parameters() -> None:
    routes = registered(application().router.routes)
    found = find(routes, "DELETE", "/api/things/a")
    assert found.route and found.route.name == "DELETE /api/things/{thing}" and found.parameters == {"thing": "a"}
    deep = find(routes, "GET", "/file=/etc/passwd")
    assert deep.route and deep.parameters == {"path": "/etc/passwd"}
    assert find(routes, "GET", "/api/things/a/b").route is None
    assert find(routes, "GET", "/api/things/").route is None
    wrong = find(routes, "PATCH", "/api/things/a")
    assert wrong.route is None and wrong.allowed == ("GET", "DELETE", "HEAD")
