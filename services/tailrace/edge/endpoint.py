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
from tailrace.edge.body import BodyLimit, read_body
from tailrace.edge.demand import work_of
from tailrace.edge.publisher import Publisher, PublishError, RawRecord
from tailrace.edge.traffic import Traffic
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
    traffic: Traffic
    projects: LabelCap


class Call:
    """An authenticated request under way. `sender`: who sends."""

    def __init__(self, edge: Edge, request: Request, endpoint: str, sender: Principal) -> None:
        self.edge = edge
        self.request = request
        self.endpoint = endpoint
        self.sender = sender
        self.received_at_us = time.time_ns() // 1000
        self.events = 0
        self.limit = BodyLimit(edge.traffic.bytes, sender.project_id)
        self._charged_bytes = 0

    async def read(self, most: int) -> bytes:
        """The decompressed body. Raises Refusal."""
        quotas = self.edge.traffic.quotas
        encoding = self.request.headers.get("content-encoding", "")
        most = quotas.most_body_bytes(self.sender, most)
        body = await read_body(self.request.stream(), encoding, self.limit, most=most)
        quotas.charge_bytes(self.sender, len(body))
        self._charged_bytes = len(body)
        metrics.edge_received.labels(self.endpoint).inc(len(body))
        return body

    async def run(
        self, size: int, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Call `function`, which works on `size` bytes, when it is the project's turn, without keeping other requests waiting."""
        traffic, project = self.edge.traffic, self.sender.project_id
        if size > _THREAD_BYTES:
            async with traffic.parsers.hold(project, size):
                return await asyncio.to_thread(function, *args, **kwargs)
        if not traffic.requests.shared:
            return function(*args, **kwargs)
        async with traffic.turns.hold(project, 1):
            result = function(*args, **kwargs)
            # The turn lasts until the loop has been round, so that those of other projects come in between.
            await asyncio.sleep(0)
            return result

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
        traffic, events, work = (
            self.edge.traffic,
            sum(record.headers.events for record in records),
            sum(map(work_of, records)),
        )
        try:
            traffic.quotas.charge_events(self.sender, events, work)
        except Refusal:
            traffic.quotas.give_back(self.sender, 0, self._charged_bytes, 0)
            raise
        try:
            await self.edge.publisher.publish(records)
        except PublishError as error:
            traffic.quotas.give_back(self.sender, events, self._charged_bytes, work)
            raise refuse(503, f"{error}; try again", "unavailable") from None
        traffic.accepted(self.sender, records)
        self.events = events
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
    method: Literal["POST", "DELETE"] = "POST"

    def route(self, edge: Edge) -> Route:
        async def answer(request: Request) -> Response:
            return await respond(self, edge, request)

        return Route(self.path, answer, methods=[self.method], name=self.name)


async def respond(endpoint: Endpoint, edge: Edge, request: Request) -> Response:
    """The answer to a request, whatever becomes of it. It raises nothing."""
    started = time.perf_counter()
    call: Call | None = None
    try:
        sender = await _authenticate(endpoint, edge, request)
        call = Call(edge, request, endpoint.name, sender)
        response = await _handle(endpoint, call)
    except Refusal as refusal:
        response = _refused(endpoint, edge, call, refusal)
    except ClientDisconnect:
        metrics.edge_rejected.labels(endpoint.name, "disconnected").inc()
        response = json_answer(error_body(400, "the connection ended before the body did"), 400)
    except Exception:
        metrics.edge_rejected.labels(endpoint.name, "internal_error").inc()
        log.exception("edge.request.failed", endpoint=endpoint.name)
        response = json_answer(error_body(500, "something is wrong on our side"), 500)
    _observe(endpoint.name, call, response.status_code, time.perf_counter() - started)
    return response


async def _handle(endpoint: Endpoint, call: Call) -> Response:
    """The handler's answer, within the limits of the sender's project. Raises Refusal."""
    traffic, project = call.edge.traffic, call.sender.project_id
    traffic.quotas.check(call.sender)
    traffic.requests.reserve(project, 1, held=0)
    try:
        response = await endpoint.handle(call)
    finally:
        call.limit.release()
        traffic.requests.release(project, 1)
    response.headers.update(traffic.quotas.headers(call.sender))
    return response


def _refused(endpoint: Endpoint, edge: Edge, call: Call | None, refusal: Refusal) -> Response:
    metrics.edge_rejected.labels(endpoint.name, refusal.reason).inc()
    if refusal.status == 429 and call is not None:
        (project,) = edge.projects.admit(call.sender.project_id)
        metrics.edge_limited.labels(project, refusal.reason).inc()
    return refusal.answer()


async def _authenticate(endpoint: Endpoint, edge: Edge, request: Request) -> Principal:
    try:
        principal = await edge.keys.authenticate(request.headers.get("authorization"))
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


def _observe(endpoint: str, call: Call | None, status: int, seconds: float) -> None:
    metrics.edge_requests.labels(endpoint, str(status)).inc()
    metrics.edge_request_seconds.labels(endpoint).observe(seconds)
    log.info(
        "edge.request.done",
        endpoint=endpoint,
        status=status,
        project=call.sender.project_id if call else None,
        events=call.events if call else 0,
        bytes=call.limit.held if call else 0,
        ms=round(seconds * 1000, 1),
    )
