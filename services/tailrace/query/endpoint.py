"""One request: who asks, what a handler answers, and how that leaves: JSON always, one log line and one sample of the metrics each.

In: a handler of this package. Out: a Starlette route. Handlers raise; this module alone turns errors into answers. It never logs a
parameter's value.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import asyncpg
import orjson
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.query.database import Database
from tailrace.query.errors import (
    ApiError,
    ForbiddenError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from tailrace.query.parameters import clean_text
from tailrace.runtime import metrics
from tailrace.runtime.keys import AuthError, KeyCache, KeysUnavailableError, Principal
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS

log = get_logger(__name__)

UNMATCHED: Final = "unmatched"
MAX_BODY_BYTES: Final = 1024 * 1024
BODY_SECONDS: Final = 30
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
Clock = Callable[[], datetime]


class Call(NamedTuple):
    """What a handler needs of a request. `id`: the one in the path, if the route has one; `item_id`: the one after it. `raw_path`: the path as it
    was sent, encoded. `body`: of what writes.
    """

    principal: Principal
    database: Database
    query: QueryParams
    id: str
    now: datetime
    body: bytes = b""
    raw_path: str = ""
    item_id: str = ""

    @property
    def project_id(self) -> str:
        return self.principal.project_id


class Answer(NamedTuple):
    """What a handler answers: `build` makes the JSON value, or its bytes, off the event loop, or is these bytes; `rows` is for the log."""

    build: Callable[[], object] | bytes
    rows: int = 1
    status: int = 200


Handler = Callable[[Call], Awaitable[Answer]]


class Endpoints:
    """Makes routes of handlers that share a database, keys and a bound on requests under way."""

    def __init__(self, database: Database, keys: KeyCache, *, max_requests: int, clock: Clock | None = None) -> None:
        self._database = database
        self._keys = keys
        self._free = max_requests
        self._clock = clock or _utc_now

    def route(self, path: str, handler: Handler, *, method: str = "GET", max_body_bytes: int = MAX_BODY_BYTES) -> Route:
        """A route for a key with full access."""

        async def endpoint(request: Request) -> Response:
            return await self._respond(path, request, handler, max_body_bytes)

        return Route(path, endpoint, methods=[method])

    async def _respond(self, route: str, request: Request, handler: Handler, max_body_bytes: int) -> Response:
        started = time.perf_counter()
        seen = _Seen()
        try:
            response = await self._handle(request, handler, seen, max_body_bytes)
        except Exception as error:  # noqa: BLE001 - the edge of the process: every error becomes an answer
            response = error_response(error)
        elapsed = time.perf_counter() - started
        record(route, response.status_code, elapsed, rows=seen.rows, project=seen.project_id)
        return response

    async def _handle(self, request: Request, handler: Handler, seen: "_Seen", max_body_bytes: int) -> Response:
        if self._free <= 0:
            raise UnavailableError("too many requests are under way; try again")
        self._free -= 1
        try:
            call = await self._call(request, max_body_bytes)
            seen.project_id = call.project_id
            answer = await handler(call)
            seen.rows = answer.rows
            build = answer.build
            content = build if isinstance(build, bytes) else await asyncio.to_thread(_render, build)
            return json_response(content, answer.status) if answer.status != 204 else Response(status_code=204)
        finally:
            self._free += 1

    async def _call(self, request: Request, max_body_bytes: int) -> Call:
        principal = await self._keys.authenticate(request.headers.get("authorization"))
        if principal.access != "full":
            raise ForbiddenError("this needs the public and the secret key as Basic authorization")
        id_ = clean_text(request.path_params.get("id", ""))
        body = await _read_body(request, max_body_bytes) if request.method in _WITH_BODY else b""
        raw_path, item_id = _raw_path(request), clean_text(request.path_params.get("item_id", ""))
        return Call(principal, self._database, request.query_params, id_, self._clock(), body, raw_path, item_id)


class _Seen:
    """What the log line says of a request, as far as it came."""

    project_id: str | None = None
    rows: int = 0


def json_response(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response of JSON bytes."""
    return Response(content, status_code=status, headers=headers, media_type="application/json")


def error_response(error: Exception) -> Response:
    """The answer that an error stands for; an unexpected one is logged and says nothing of itself."""
    if isinstance(error, AuthError):
        return json_response(orjson.dumps({"message": error.message}), error.status)
    answer = _api_error(error)
    return json_response(orjson.dumps(answer.body()), answer.status, answer.headers())


async def unrouted(request: Request, error: Exception) -> Response:
    """The JSON answer where no route fits: unknown path, or wrong method on a known one."""
    started = time.perf_counter()
    if isinstance(error, HTTPException) and error.status_code == 405:
        response = error_response(MethodNotAllowedError(f"{request.method} is not possible here"))
        response.headers.update(error.headers or {})
    else:
        response = error_response(NotFoundError("there is no such route"))
    record(UNMATCHED, response.status_code, time.perf_counter() - started)
    return response


def record(route: str, status: int, elapsed_seconds: float, *, rows: int = 0, project: str | None = None) -> None:
    """The canonical line and the metrics of one request."""
    metrics.query_requests.labels(route, str(status)).inc()
    metrics.query_seconds.labels(route).observe(elapsed_seconds)
    milliseconds = round(elapsed_seconds * 1000, 1)
    log.info("query.request.done", route=route, status=status, ms=milliseconds, rows=rows, project=project)


def _api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, (KeysUnavailableError, *OUTAGE_ERRORS)):
        log.warning("query.postgres.away", error=type(error).__name__)
        return UnavailableError("the database does not answer in time; try again")
    if isinstance(error, asyncpg.DataError):
        log.warning("query.parameter.refused", error=type(error).__name__)
        return InvalidRequestError("the database cannot use one of the parameters")
    log.error("query.request.failed", exc_info=error)
    return ApiError("something went wrong on our side")


def _raw_path(request: Request) -> str:
    """The path before decoding, where the server tells it: there a slash of a name can be told from one between names."""
    raw: bytes | None = request.scope.get("raw_path")
    return quote(request.url.path) if raw is None else raw.decode("latin-1").partition("?")[0]


async def _read_body(request: Request, max_bytes: int) -> bytes:
    """Raises TooLargeError and InvalidRequestError."""
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                size += len(piece)
                if size > max_bytes:
                    raise TooLargeError(f"the body is larger than {max_bytes} bytes")
                pieces.append(piece)
    except TimeoutError:
        raise InvalidRequestError(f"the body took longer than {BODY_SECONDS} seconds") from None
    except ClientDisconnect:
        raise InvalidRequestError("the body ended too early") from None
    return b"".join(pieces)


def _render(build: Callable[[], Any]) -> bytes:
    built = build()
    return built if isinstance(built, bytes) else orjson.dumps(built)


def _utc_now() -> datetime:
    return datetime.now(UTC)
