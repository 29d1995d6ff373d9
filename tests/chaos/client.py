"""A client as an SDK is one: requests in, each delivered until it is taken, through refusals, lost connections and dead servers.

A request that timed out may or may not be in the log: what is acknowledged here is a lower bound, and only the log itself knows more.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from tests.chaos.calls import RETRIED, Caller, can_be_called
from tests.chaos.requests import Request

MAX_RETRY_AFTER_SECONDS: Final = 2.0
GIVE_UP_SECONDS: Final = 300.0
TIMEOUT_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.3

_ACCEPTED: Final = frozenset({200, 201, 202, 207})
_RETRIED: Final = frozenset({408, 429, 503})
_CALL_TAKEN: Final = "gRPC OK"


class NotDeliveredError(Exception):
    """A request was refused for so long that the client gave up, or was answered with what no request here may be."""


@dataclass
class Delivered:
    """What became of the requests.

    `statuses`: answers by status, and lost connections by their kind. `latencies`: seconds to each acceptance, without refusals.
    `accepted`: acknowledged deliveries by the number of the request; `events`: events in them. Both are lower bounds.
    """

    statuses: Counter[str] = field(default_factory=Counter[str])
    latencies: list[float] = field(default_factory=list[float])
    accepted: Counter[int] = field(default_factory=Counter[int])
    events: int = 0
    requests: int = 0
    bytes: int = 0
    seconds: float = 0


async def deliver(
    origins: Sequence[str],
    headers: dict[str, str],
    requests: Sequence[Request],
    *,
    seconds: float,
    concurrency: int,
    rng: random.Random,
    transport: httpx.AsyncBaseTransport | None = None,
    grpc_addresses: Sequence[str] = (),
) -> Delivered:
    """Send each request to any of the origins, not before its time in a round of `seconds`; every other one that gRPC carries to one of
    `grpc_addresses`, each delivery of a body for itself. Raises NotDeliveredError.
    """
    delivered = Delivered()
    started = time.monotonic()
    waiting = iter(requests)
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    caller = Caller(headers, timeout_seconds=TIMEOUT_SECONDS)
    async with httpx.AsyncClient(
        timeout=TIMEOUT_SECONDS, limits=limits, headers=headers, transport=transport
    ) as client:

        def try_once(request: Request) -> Awaitable[tuple[str, float]]:
            if grpc_addresses and can_be_called(request) and rng.random() < 0.5:
                return _call(caller, rng.choice(grpc_addresses), request)
            return _post(client, rng.choice(origins), request)

        async def work() -> None:
            for request in waiting:
                await asyncio.sleep(max(0.0, started + request.at * seconds - time.monotonic()))
                await _deliver_one(try_once, request, delivered, rng)

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(concurrency):
                    workers.create_task(work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            await caller.close()
    delivered.seconds = time.monotonic() - started
    return delivered


async def _deliver_one(
    try_once: Callable[[Request], Awaitable[tuple[str, float]]],
    request: Request,
    delivered: Delivered,
    rng: random.Random,
) -> None:
    first = time.monotonic()
    while True:
        started = time.monotonic()
        status, pause = await try_once(request)
        delivered.statuses[status] += 1
        if status == _CALL_TAKEN or (status.isdecimal() and int(status) in _ACCEPTED):
            _note(delivered, request, time.monotonic() - started)
            return
        if time.monotonic() - first > GIVE_UP_SECONDS:
            raise NotDeliveredError(
                f"{request.path}: nothing but refusals for {GIVE_UP_SECONDS:.0f} s, the last: {status}"
            )
        await asyncio.sleep(pause * rng.uniform(0.7, 1.3))


async def _call(caller: Caller, address: str, request: Request) -> tuple[str, float]:
    """The same over gRPC: the status by its name."""
    reply = await caller.call(address, request)
    if reply.code != "OK" and reply.code not in RETRIED:
        raise NotDeliveredError(f"gRPC: expected to be taken or put off, got {reply.code} {reply.text[:300]}")
    return f"gRPC {reply.code}", _pause(reply.retry_seconds)


async def _post(client: httpx.AsyncClient, origin: str, request: Request) -> tuple[str, float]:
    """The status, or the kind of the lost connection; and for how long to wait before the next try."""
    headers = {"content-type": request.content_type}
    if request.content_encoding:
        headers["content-encoding"] = request.content_encoding
    try:
        response = await client.post(f"{origin}{request.path}", content=request.body, headers=headers)
    except httpx.TransportError as error:
        return type(error).__name__, PAUSE_SECONDS
    status = response.status_code
    if status not in _ACCEPTED and status not in _RETRIED:
        raise NotDeliveredError(f"{request.path}: expected to be taken or put off, got {status} {response.text[:300]}")
    return str(status), retry_after(response)


def retry_after(response: httpx.Response) -> float:
    """For how many seconds to wait before the next try."""
    try:
        return _pause(float(response.headers.get("retry-after", "")))
    except ValueError:
        return PAUSE_SECONDS


def _pause(asked: float | None) -> float:
    return min(max(asked or 0, PAUSE_SECONDS), MAX_RETRY_AFTER_SECONDS)


def _note(delivered: Delivered, request: Request, seconds: float) -> None:
    delivered.latencies.append(seconds)
    delivered.accepted[request.number] += 1
    delivered.events += request.events
    delivered.requests += 1
    delivered.bytes += len(request.body)
