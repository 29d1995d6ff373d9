"""GET /metrics, /v2/metrics and /metrics/daily: figures of a project by dimensions and time.

A query has half of this process's connections at most, and a time after which the database gives it up.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from tailrace.query.database import ACQUIRE_SECONDS, Reader
from tailrace.query.endpoint import Answer, Call, Handler
from tailrace.query.errors import InvalidRequestError, TooMuchError
from tailrace.query.metrics.buckets import check_zone_name, granularity_of, unknown_zone
from tailrace.query.metrics.daily import daily_answer, daily_statement
from tailrace.query.metrics.request import MetricsRequest, read_request
from tailrace.query.metrics.statement import QUERIES, Compiled, check_names, compile_query, rows_of
from tailrace.query.metrics.views import VIEWS
from tailrace.query.metrics.windows import is_of_windows, windows_of
from tailrace.query.parameters import page, text
from tailrace.runtime.settings import Postgres

MAX_ROWS: Final = 10_000
"""Of an answer to a query without a row limit."""

V2_ROWS: Final = 100
_many: Final = frozenset({"id", "traceId", "userId", "sessionId", "parentObservationId", "observationId"})
"""Dimensions with as many values as a project has users, traces or more."""


class Metrics:
    """The handlers, which share the connections that metrics may take."""

    def __init__(self, settings: Postgres) -> None:
        self._places = asyncio.Semaphore(max(1, settings.pool_size // 2))
        self._seconds = max(0.5, settings.statement_timeout_seconds - 1)

    def handlers(self) -> list[tuple[str, Handler]]:
        """Path and handler of each route."""
        return [
            ("/api/public/metrics", self.query_v1),
            ("/api/public/v2/metrics", self.query_v2),
            ("/api/public/metrics/daily", self.list_days),
        ]

    async def query_v1(self, call: Call) -> Answer:
        """All rows that a query yields, or as many as it asks for."""
        return await self._answer(call, read_request(text(call.query, "query")))

    async def query_v2(self, call: Call) -> Answer:
        """The same without the traces view, for 100 rows unless told."""
        request = read_request(text(call.query, "query"))
        if request.view == "traces":
            raise InvalidRequestError("v2 has no view of traces: ask /api/public/metrics", "query", "view")
        many = [name for name in request.dimensions if name in _many]
        if many and not (request.row_limit and request.orders):
            raise InvalidRequestError(
                f"{many[0]} has too many values to group by without orderBy and config.row_limit; or filter by it",
                "query",
                "dimensions",
            )
        return await self._answer(call, request._replace(row_limit=request.row_limit or V2_ROWS))

    async def list_days(self, call: Call) -> Answer:
        """A counted page of days that have anything, newest first."""
        asked = page(call.query)
        sql, values = daily_statement(call, asked)
        async with self._reader(call) as reader:
            found = await reader.records(sql, values)
        return Answer(lambda: daily_answer(found, asked), len(found))

    async def _answer(self, call: Call, request: MetricsRequest) -> Answer:
        compiled = _compile(request, call.project_id)
        async with self._reader(call) as reader:
            if request.time is not None:
                await _check_zone(reader, request.time.time_zone)
            found = await reader.records(compiled.sql, compiled.values)
        if request.row_limit is None and len(found) > MAX_ROWS:
            raise TooMuchError(
                f"the answer has more than {MAX_ROWS} rows: give config.row_limit and orderBy, or ask for fewer groups"
            )
        return Answer(lambda: {"data": _rows(compiled, found)}, len(found))

    @asynccontextmanager
    async def _reader(self, call: Call) -> AsyncGenerator[Reader]:
        """A reader whose statements end in time. Raises TimeoutError when no place is free, TooMuchError when one takes too long."""
        async with asyncio.timeout(ACQUIRE_SECONDS):
            await self._places.acquire()
        try:
            async with call.database.snapshot() as reader:
                await reader.limit_time(self._seconds)
                yield reader
        except asyncpg.QueryCanceledError:
            raise TooMuchError(
                f"the database did not answer within {self._seconds:g} seconds: ask for a shorter period, fewer dimensions or fewer filters"
            ) from None
        finally:
            self._places.release()


def _compile(request: MetricsRequest, project_id: str) -> Compiled:
    view = VIEWS[request.view]
    check_names(request, view)
    granularity = granularity_of(request)
    most = MAX_ROWS + 1 if request.row_limit is None else request.row_limit
    scope = rows_of(request, view, project_id)
    if is_of_windows(request):
        scope = windows_of(request, granularity, project_id) or scope._replace(drop_empty=True)
    return compile_query(request, scope, granularity, most)


async def _check_zone(reader: Reader, zone: str) -> None:
    if zone == "UTC":
        return
    check_zone_name(zone)
    try:
        await reader.whole_number(QUERIES["check_zone"], (zone,))
    except asyncpg.InvalidParameterValueError:
        raise unknown_zone(zone) from None


def _rows(compiled: Compiled, found: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    return [
        {out.name: out.embed(value) for out, value in zip(compiled.outs, record.values(), strict=True)}
        for record in found
    ]
