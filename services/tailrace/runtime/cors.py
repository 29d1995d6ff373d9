"""Any web page may call the API: browsers ask first, and every answer says so. Keys travel in a header, never in a cookie."""

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_methods: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_usual_headers: Final = "Authorization, Content-Type"
_readable_headers: Final = "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
"""Beyond those that a page may always read: how long to wait."""

_keep_seconds: Final = "86400"


class AllowAnyOrigin:
    """Answers OPTIONS itself and marks every other answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await _preflight(Headers(scope=scope))(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = "*"
                headers["Access-Control-Expose-Headers"] = _readable_headers
            await send(message)

        await self._app(scope, receive, send_marked)


def _preflight(asked: Headers) -> Response:
    """A wildcard would not cover Authorization, so the headers that are asked for are named."""
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": _methods,
            "Access-Control-Allow-Headers": asked.get("access-control-request-headers", _usual_headers),
            "Access-Control-Max-Age": _keep_seconds,
        },
    )
