"""Probes: /livez, /readyz and /metrics of a process, on a port of their own.

Live means moving: a process is not live when a consumer has had lag for `stall_seconds` without progress. While Kafka or
Postgres does not answer, a process is live, not ready, and says why.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.runtime import metrics
from tailrace.runtime.connections import bounded_to


class Health:
    """What a process knows of its own state: reasons why it is not ready, and the progress of its consumers."""

    def __init__(self, service: str, *, stall_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.service = service
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._reasons: dict[str, tuple[str, float]] = {"start": ("starting", clock())}
        self._progress: dict[str, tuple[int, float]] = {}
        self.details: dict[str, object] = {}

    def started(self) -> None:
        self.clear("start")

    def block(self, part: str, reason: str) -> None:
        """`part` (kafka, postgres, …) keeps this process from its work, for `reason`."""
        _, since = self._reasons.get(part, (reason, self._clock()))
        self._reasons[part] = (reason, since)
        metrics.process_ready.set(0)

    def clear(self, part: str) -> None:
        """`part` keeps this process from nothing any more; who waited for it has the whole stall time again."""
        excused = [consumer for consumer in self._progress if self._is_excused(consumer)]
        self._reasons.pop(part, None)
        for consumer in excused:
            self._progress[consumer] = (self._progress[consumer][0], self._clock())
        metrics.process_ready.set(0 if self._reasons else 1)

    def is_long_blocked(self, part: str) -> bool:
        """Whether `part` has kept this process from its work for longer than the stall time."""
        blocked = self._reasons.get(part)
        return blocked is not None and self._clock() - blocked[1] > self._stall_seconds

    def report_progress(self, consumer: str, *, position: int, lagging: bool) -> None:
        """Tell where `consumer` stands. Its clock restarts when the position moves, when it has no lag, or when it may not work.

        A reason that has the name of a consumer keeps that one from its work, any other reason all.
        """
        then = self._progress.get(consumer)
        if then is None or then[0] != position or not lagging:
            self._progress[consumer] = (position, self._clock())

    def forget(self, consumer: str) -> None:
        """`consumer` is no longer this process's."""
        self._progress.pop(consumer, None)

    @property
    def reasons(self) -> dict[str, str]:
        return {part: reason for part, (reason, _) in self._reasons.items()}

    @property
    def ready(self) -> bool:
        return not self._reasons

    def stalled(self) -> list[str]:
        """The consumers that have had lag, or have told nothing, for too long although nothing keeps them from their work."""
        now = self._clock()
        late = [consumer for consumer, (_, at) in self._progress.items() if now - at > self._stall_seconds]
        return [consumer for consumer in late if not self._is_excused(consumer)]

    def _is_excused(self, consumer: str) -> bool:
        return consumer in self._reasons or any(part not in self._progress for part in self._reasons)


def probe_app(health: Health) -> Starlette:
    """The three probe routes over `health`."""

    async def livez(_: Request) -> Response:
        stalled = health.stalled()
        body = {"service": health.service, "live": not stalled, "stalled": stalled}
        return _json(body, 503 if stalled else 200)

    async def readyz(_: Request) -> Response:
        body = {"service": health.service, "ready": health.ready, "reasons": health.reasons, **health.details}
        return _json(body, 200 if health.ready else 503)

    async def exposition(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", exposition)])


def _json(body: object, status: int) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


class QuietServer(uvicorn.Server):
    """A server that leaves the signals to its owner."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def make_server(app: Callable[..., Any], *, host: str, port: int) -> QuietServer:
    """A uvicorn server that its owner starts, stops and gives signals to."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=bounded_to(),  # pyright: ignore[reportArgumentType] - uvicorn calls it as it calls a class
        timeout_keep_alive=75,
        server_header=False,
    )
    return QuietServer(config)


@asynccontextmanager
async def serve_probes(health: Health, *, host: str, port: int) -> AsyncGenerator[QuietServer]:
    """Serve the probes while the block runs. Raises OSError when the port is taken."""
    server = make_server(probe_app(health), host=host, port=port)
    task = asyncio.create_task(server.serve())
    try:
        yield server
    finally:
        server.should_exit = True
        await task
