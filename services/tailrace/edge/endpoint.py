"""One write request: who sends, how much it may take, what became of it. A handler decides what the body means.

Each request leaves one log line and its metrics. Neither keys nor payloads are logged.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, NamedTuple, ParamSpec, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.edge.answers import Refusal, error_body, json_answer, refuse
from tailrace.edge.body import BodyLimit, InflightBytes, read_body
from tailrace.edge.publisher import Publisher, PublishError, RawRecord
from tailrace.runtime import metrics
from tailrace.runtime.keys import AuthError, KeyCache, KeysUnavailableError, Principal
from tailrace.runtime.log import get_logger
from tailrace.runtime.metrics import LabelCap
from tailrace.runtime.settings import Settings
from tailrace.wire.topics import RawHeaders, RawKind, partition_of

log = get_logger(__name__)

_THREAD_BYTES: Final = 512 * 1024
"""Larger bodies are parsed beside the event loop."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Edge(NamedTuple):
    """What the endpoints share."""

    publisher: Publisher
    keys: KeyCache
    settings: Settings
    room: InflightBytes
    projects: LabelCap


class Call:
    """An authenticated request under way."""

    def __init__(self, edge: Edge, request: Request, endpoint: str) -> None:
        self.edge = edge
        self.request = request
        self.endpoint = endpoint
        self.received_at_us = time.time_ns() // 1000
        self.principal: Principal | None = None
        self.events = 0
        self.limit = BodyLimit(edge.room)

    @property
    def sender(self) -> Principal:
        """Who sends. Only for handlers, which run after authentication."""
        if self.principal is None:
            raise PermissionError("the request is not authenticated")
        return self.principal

    async def read(self, most: int) -> bytes:
        """The decompressed body. Raises Refusal."""
        encoding = self.request.headers.get("content-encoding", "")
        body = await read_body(self.request.stream(), encoding, self.limit, most=most)
        metrics.edge_received.labels(self.endpoint).inc(len(body))
        return body

    async def run(
        self, size: int, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Call `function`, which works on `size` bytes, without keeping other requests waiting."""
        if size > _THREAD_BYTES:
            return await asyncio.to_thread(function, *args, **kwargs)
        return function(*args, **kwargs)

    def partition_of(self, entity_id: str) -> int:
        return partition_of(self.sender.project_id, entity_id, self.edge.publisher.partitions)

    def record(self, kind: RawKind, partition: int, body: bytes, events: int) -> RawRecord:
        """A record of this sender."""
        headers = self.request.headers
        name = headers.get("x-langfuse-sdk-name") or headers.get("x_langfuse_sdk_name", "")
        version = headers.get("x-langfuse-sdk-version") or headers.get("x_langfuse_sdk_version", "")
        stated = RawHeaders(
            kind=kind,
            project_id=self.sender.project_id,
            received_at_us=self.received_at_us,
            events=events,
            sdk_name=name[:100],
            sdk_version=version[:100],
        )
        return RawRecord(partition, stated, body)

    async def publish(self, records: Sequence[RawRecord]) -> None:
        """Returns when the log has all records. Raises Refusal when it cannot take them."""
        if not records:
            return
        try:
            await self.edge.publisher.publish(records)
        except PublishError as error:
            raise refuse(503, f"{error}; try again", "unavailable") from None
        self.events = sum(record.headers.events for record in records)
        (project,) = self.edge.projects.admit(self.sender.project_id)
        metrics.edge_accepted.labels(project, self.endpoint).inc(self.events)

    def reject(self, reason: str, events: int = 1) -> None:
        """Count events that are left out. `reason` is of a closed list."""
        metrics.edge_rejected.labels(self.endpoint, reason).inc(events)


class Endpoint(NamedTuple):
    """A write endpoint. `access`: what a key must allow. `named_auth_errors`: whether a failed authentication has an error name."""

    name: str
    path: str
    handle: Callable[[Call], Awaitable[Response]]
    access: Literal["full", "scores"] = "full"
    named_auth_errors: bool = False

    def route(self, edge: Edge) -> Route:
        async def respond(request: Request) -> Response:
            return await _respond(self, Call(edge, request, self.name))

        return Route(self.path, respond, methods=["POST"], name=self.name)


async def _respond(endpoint: Endpoint, call: Call) -> Response:
    started = time.perf_counter()
    try:
        call.principal = await _authenticate(endpoint, call)
        response = await endpoint.handle(call)
    except Refusal as refusal:
        call.reject(refusal.reason)
        response = refusal.answer()
    except ClientDisconnect:
        call.reject("disconnected")
        response = json_answer(error_body(400, "the connection ended before the body did"), 400)
    except Exception:
        call.reject("internal_error")
        log.exception("edge.request.failed", endpoint=endpoint.name)
        response = json_answer(error_body(500, "something is wrong on our side"), 500)
    finally:
        call.limit.release()
    _observe(endpoint.name, call, response.status_code, time.perf_counter() - started)
    return response


async def _authenticate(endpoint: Endpoint, call: Call) -> Principal:
    try:
        principal = await call.edge.keys.authenticate(call.request.headers.get("authorization"))
    except AuthError as error:
        names = {"error": "UnauthorizedError"} if endpoint.named_auth_errors else {}
        status = 401 if endpoint.named_auth_errors else error.status
        raise Refusal(status, {**names, "message": error.message}, "unauthorized") from None
    except KeysUnavailableError:
        raise refuse(503, "the key cannot be checked now; try again", "unavailable") from None
    if endpoint.access == "full" and principal.access != "full":
        raise Refusal(403, {"message": "expected Basic authorization with public and secret key"}, "forbidden")
    if principal.suspended:
        raise refuse(403, "ingestion is suspended for this project", "suspended")
    return principal


def _observe(endpoint: str, call: Call, status: int, seconds: float) -> None:
    metrics.edge_requests.labels(endpoint, str(status)).inc()
    metrics.edge_request_seconds.labels(endpoint).observe(seconds)
    log.info(
        "edge.request.done",
        endpoint=endpoint,
        status=status,
        project=call.principal.project_id if call.principal else None,
        events=call.events,
        bytes=call.limit.held,
        ms=round(seconds * 1000, 1),
    )
