"""Who may do what: one table with a row for every route, Gradio's own included, and how a handler learns who asks.

A request reaches a route only through its row (no row: refused, and a test fails). The middleware in `gate.py` finds
the row, finds out who is asking (`identity.py`) and leaves the answer in the request's state under `IDENTITY`, the
place that `identity_of` reads. So an endpoint takes `who: Who`, and a Gradio handler takes `request: gr.Request` and
calls `identity_of(request)`: Gradio keeps the request that asked for the run, also while the run waits in its queue.
What a level may do with a thing (its own job, somebody else's) is decided behind the route, in the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Request

from webui.core.errors import NotAllowed
from webui.core.job import Identity, Level

IDENTITY: Final = "darkroom_identity"
"""The key in the request's state."""

KIB: Final = 1024
MIB: Final = 1024 * KIB

Kind = Literal["static", "page", "read", "write", "stream"]
"""static: the same bytes for everybody, needs no identity and counts for no limit. page: HTML. stream: stays open."""

Session = Literal["", "path", "query", "body"]
"""Where a Gradio route carries its session hash, which then belongs to the identity that used it first."""


@dataclass(frozen=True, slots=True)
class Right:
    """One row. `level` is the least that is needed; None: closed to everybody, the owner included."""

    level: Level | None
    kind: Kind = "read"
    body: int = 0
    """Greatest body in bytes; 0: the route takes none."""
    session: Session = ""
    calls: bool = False
    """Whether the body names a Gradio handler by number; each handler has a level of its own (see page.py)."""
    signed_out: bool = False
    """Reachable before signing in, where --gradio-auth is on."""


CLOSED: Final = Right(None)
ALL, OWN = Level.VISITOR, Level.OWNER

_OURS: Final[Mapping[str, Right]] = {
    # How one gets in.
    "GET /enter/{token}": Right(ALL, "page", signed_out=True),
    "POST /enter/{token}": Right(ALL, "write", 4 * KIB, signed_out=True),
    "GET /signin": Right(ALL, "page", signed_out=True),
    "POST /signin": Right(ALL, "write", 8 * KIB, signed_out=True),
    "POST /signout": Right(ALL, "write", 8 * KIB),
    "GET /assets-darkroom/{name}": Right(ALL, "static"),
    "GET /favicon.ico": Right(ALL, "static", signed_out=True),
    "GET /robots.txt": Right(ALL, "static", signed_out=True),
    "GET /openapi.json": Right(ALL),
    "HEAD /openapi.json": Right(ALL),
    # The native API.
    "POST /api/v1/jobs": Right(ALL, "write", 256 * KIB),
    # Each of these addresses asks for a level of its own besides.
    "GET /api/v1/x/{extension}/{name}": Right(ALL),
    "POST /api/v1/x/{extension}/{name}": Right(ALL, "write", 256 * KIB),
    "GET /api/v1/scripts": Right(ALL),
    "POST /api/v1/scripts/{name}": Right(ALL, "write", 256 * KIB),
    "GET /api/v1/jobs": Right(ALL),
    "GET /api/v1/jobs/{job_id}": Right(ALL),
    "DELETE /api/v1/jobs/{job_id}": Right(ALL, "write", 4 * KIB),
    "POST /api/v1/jobs/{job_id}/interrupt": Right(ALL, "write", 4 * KIB),
    "POST /api/v1/jobs/{job_id}/skip": Right(ALL, "write", 4 * KIB),
    "POST /api/v1/jobs/{job_id}/front": Right(OWN, "write", 4 * KIB),
    "GET /api/v1/jobs/{job_id}/events": Right(ALL, "stream"),
    "GET /api/v1/jobs/{job_id}/preview": Right(ALL),
    "GET /api/v1/events": Right(ALL, "stream"),
    "GET /api/v1/pictures": Right(ALL),
    "GET /api/v1/pictures/{picture_id}": Right(ALL),
    "GET /api/v1/pictures/{picture_id}/file": Right(ALL),
    "GET /api/v1/pictures/{picture_id}/thumb": Right(ALL),
    "DELETE /api/v1/pictures/{picture_id}": Right(ALL, "write", 4 * KIB),
    "POST /api/v1/pictures/{picture_id}/restore": Right(ALL, "write", 4 * KIB),
    "POST /api/v1/pictures/read": Right(ALL, "read", 32 * MIB),
    "POST /api/v1/pictures/caption": Right(ALL, "write", 32 * MIB),
    "POST /api/v1/pictures/{picture_id}/caption": Right(ALL, "write", 4 * KIB),
    "GET /api/v1/captioners": Right(ALL),
    "GET /api/v1/queue": Right(ALL),
    "POST /api/v1/queue/clear": Right(ALL, "write", 4 * KIB),
    "POST /api/v1/queue/pause": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/queue/resume": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/workers/unload": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/workers/renew": Right(OWN, "write", 4 * KIB),
    "GET /api/v1/samplers": Right(ALL),
    "GET /api/v1/schedulers": Right(ALL),
    "GET /api/v1/upscalers": Right(ALL),
    "GET /api/v1/attention": Right(ALL),
    "GET /api/v1/checkpoints": Right(ALL),
    "POST /api/v1/checkpoints/refresh": Right(OWN, "write", 4 * KIB),
    "GET /api/v1/modules": Right(ALL),
    "GET /api/v1/styles": Right(ALL),
    "POST /api/v1/styles": Right(OWN, "write", 256 * KIB),
    "DELETE /api/v1/styles": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/styles/apply": Right(ALL, "read", 256 * KIB),
    "GET /api/v1/wildcards": Right(ALL),
    "GET /api/v1/wildcards/values": Right(ALL),
    "POST /api/v1/prompts/draw": Right(ALL, "read", 256 * KIB),
    "GET /api/v1/prompts/names": Right(ALL),
    "GET /api/v1/prompts/recent": Right(ALL),
    "POST /api/v1/prompts/read": Right(ALL, "read", 256 * KIB),
    "GET /api/v1/models": Right(ALL),
    "GET /api/v1/models/folders": Right(ALL),
    "GET /api/v1/models/{model_id}": Right(ALL),
    "PATCH /api/v1/models/{model_id}": Right(OWN, "write", 256 * KIB),
    "GET /api/v1/models/{model_id}/preview": Right(ALL),
    "PUT /api/v1/models/{model_id}/preview": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/models/merge": Right(OWN, "write", 16 * KIB),
    "POST /api/v1/models/convert": Right(OWN, "write", 16 * KIB),
    "POST /api/v1/models/prune": Right(OWN, "write", 16 * KIB),
    "POST /api/v1/models/download": Right(OWN, "write", 16 * KIB),
    "POST /api/v1/models/works/{work}": Right(OWN, "write", 16 * KIB),
    "POST /api/v1/models/look": Right(OWN, "write", 16 * KIB),
    "PUT /api/v1/models/tokens": Right(OWN, "write", 8 * KIB),
    "GET /api/v1/fields": Right(ALL),
    "GET /api/v1/status": Right(ALL),
    "POST /api/v1/tokens": Right(ALL, "read", 256 * KIB),
    "POST /api/v1/infotext": Right(ALL, "read", 256 * KIB),
    "GET /api/v1/extensions": Right(OWN),
    "GET /api/v1/extensions/search": Right(OWN),
    "GET /api/v1/extensions/works/{work_id}": Right(OWN),
    "DELETE /api/v1/extensions/works/{work_id}": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/extensions/look": Right(OWN, "write", 16 * KIB),
    "POST /api/v1/extensions/install": Right(OWN, "write", 4 * KIB),
    "DELETE /api/v1/extensions/plans/{plan_id}": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/extensions/updates": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/extensions/packages": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/extensions/{name}/update": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/extensions/{name}/enable": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/extensions/{name}/disable": Right(OWN, "write", 4 * KIB),
    "DELETE /api/v1/extensions/{name}": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/extensions/{name}/restore": Right(OWN, "write", 4 * KIB),
    "GET /api/v1/extensions/{name}/settings": Right(OWN),
    "PATCH /api/v1/extensions/{name}/settings": Right(OWN, "write", 256 * KIB),
    "GET /api/v1/settings": Right(OWN),
    "PATCH /api/v1/settings": Right(OWN, "write", 256 * KIB),
    "POST /api/v1/entrance": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/shutdown": Right(OWN, "write", 4 * KIB),
    "POST /api/v1/restart": Right(OWN, "write", 4 * KIB),
}

_GRADIO: Final[Mapping[str, Right]] = {
    # What the page needs to stand.
    "GET /": Right(ALL, "page"),
    "HEAD /": Right(ALL, "page"),
    "GET /config": Right(ALL),
    "GET /config/": Right(ALL),
    "GET /assets/{path:path}": Right(ALL, "static"),
    "GET /static/{path:path}": Right(ALL, "static"),
    "GET /theme.css": Right(ALL, "static"),
    "GET /gradio_api/theme.css": Right(ALL, "static"),
    "GET /manifest.json": Right(ALL, "static"),
    "GET /gradio_api/heartbeat/{session_hash}": Right(ALL, "stream", session="path"),
    # Handlers of tabs, for those whom the tab is for; the session is its user's alone.
    "POST /gradio_api/queue/join": Right(ALL, "write", MIB, session="body", calls=True),
    "GET /gradio_api/queue/data": Right(ALL, "stream", session="query"),
    "POST /gradio_api/run/{api_name}": Right(ALL, "write", MIB, session="body", calls=True),
    "POST /gradio_api/run/{api_name}/": Right(ALL, "write", MIB, session="body", calls=True),
    "POST /gradio_api/cancel": Right(ALL, "write", 4 * KIB, session="body"),
    "POST /gradio_api/reset": Right(ALL, "write", 4 * KIB, session="body"),
    "POST /gradio_api/reset/": Right(ALL, "write", 4 * KIB, session="body"),
    # Files through components: whoever has a path can read it, so these are the owner's.
    "POST /gradio_api/upload": Right(OWN, "write", 64 * MIB),
    "GET /gradio_api/upload_progress": Right(OWN, "stream"),
    "GET /gradio_api/file={path_or_url:path}": Right(OWN),
    "HEAD /gradio_api/file={path_or_url:path}": Right(OWN),
    "POST /gradio_api/component_server": Right(OWN, "write", MIB, session="body"),
    "POST /gradio_api/component_server/": Right(OWN, "write", MIB, session="body"),
    # Not needed, or a way around the rows above.
    "GET /favicon.ico (page)": CLOSED,
    "GET /robots.txt (page)": CLOSED,
    "GET /openapi.json (page)": CLOSED,
    "HEAD /openapi.json (page)": CLOSED,
    "POST /login": CLOSED,
    "POST /login/": CLOSED,
    "GET /logout": CLOSED,
    "GET /svelte/{path:path}": CLOSED,
    "GET /pwa_icon": CLOSED,
    "GET /pwa_icon/{size}": CLOSED,
    "GET /monitoring": CLOSED,
    "GET /monitoring/summary": CLOSED,
    "GET /monitoring/{key}": CLOSED,
    "GET /gradio_api/deep_link": CLOSED,
    "GET /gradio_api/user": CLOSED,
    "GET /gradio_api/user/": CLOSED,
    "GET /gradio_api/login_check": CLOSED,
    "GET /gradio_api/login_check/": CLOSED,
    "GET /gradio_api/token": CLOSED,
    "GET /gradio_api/token/": CLOSED,
    "GET /gradio_api/app_id": CLOSED,
    "GET /gradio_api/app_id/": CLOSED,
    "GET /gradio_api/dev/reload": CLOSED,
    "GET /gradio_api/runs": CLOSED,
    "GET /gradio_api/runs/": CLOSED,
    "GET /gradio_api/info": CLOSED,
    "GET /gradio_api/info/": CLOSED,
    "GET /gradio_api/openapi.json": CLOSED,
    "GET /gradio_api/custom_component/{id}/{environment}/{type}/{file_name}": CLOSED,
    "GET /gradio_api/proxy={url_path:path}": CLOSED,
    "HEAD /gradio_api/proxy={url_path:path}": CLOSED,
    "POST /gradio_api/stream/{event_id}": CLOSED,
    "POST /gradio_api/stream/{event_id}/close": CLOSED,
    "GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8": CLOSED,
    "GET /gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}": CLOSED,
    "GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file": CLOSED,
    "GET /gradio_api/file/{path:path}": CLOSED,
    "POST /gradio_api/api/{api_name}": CLOSED,
    "POST /gradio_api/api/{api_name}/": CLOSED,
    "POST /gradio_api/call/{api_name}": CLOSED,
    "POST /gradio_api/call/{api_name}/": CLOSED,
    "POST /gradio_api/call/v2/{api_name}": CLOSED,
    "POST /gradio_api/call/v2/{api_name}/": CLOSED,
    "GET /gradio_api/call/{api_name}/{event_id}": CLOSED,
    "GET /gradio_api/call/v2/{api_name}/{event_id}": CLOSED,
    "GET /gradio_api/queue/status": CLOSED,
    "GET /gradio_api/startup-events": CLOSED,
    "POST /gradio_api/process_recording": CLOSED,
    "POST /gradio_api/vibe-edit": CLOSED,
    "POST /gradio_api/vibe-edit/": CLOSED,
    "POST /gradio_api/undo-vibe-edit": CLOSED,
    "POST /gradio_api/undo-vibe-edit/": CLOSED,
    "GET /gradio_api/vibe-code": CLOSED,
    "GET /gradio_api/vibe-code/": CLOSED,
    "POST /gradio_api/vibe-code": CLOSED,
    "POST /gradio_api/vibe-code/": CLOSED,
    "POST /gradio_api/vibe-starter-queries": CLOSED,
    "POST /gradio_api/vibe-starter-queries/": CLOSED,
}

RIGHTS: Final[Mapping[str, Right]] = {**_OURS, **_GRADIO}
"""'METHOD /route' to its row. Gradio's names of functions repeat, so a route goes by its path as it is registered;
a Gradio route that one of ours stands in front of carries '(page)'."""


def identity_of(request: Any) -> Identity:
    """Who sent this `fastapi.Request` or `gr.Request`; raises NotAllowed for one that never passed the gate."""
    inner = getattr(request, "request", None) or request
    state = getattr(inner, "scope", {}).get("state", {})
    identity = state.get(IDENTITY)
    if not isinstance(identity, Identity):
        raise NotAllowed("Nobody has said who is asking.")
    return identity


def _who(request: Request) -> Identity:
    return identity_of(request)


Who = Annotated[Identity, Depends(_who)]
"""An endpoint's parameter: who is asking."""
