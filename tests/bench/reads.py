"""How soon the read API answers while there is history: each kind of page that people and SDKs ask for, with ids drawn from what is stored."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import asyncpg
import httpx

from tests.load.probe import cuts
from tests.load.stack import Stack

AT_ONCE: Final = 2
SLOW_MS: Final = 100
READER: Final = "tailrace-serve"
SAMPLE: Final = 200


class Place(NamedTuple):
    """A trace that is stored, and what it belongs to."""

    trace: str
    user: str
    session: str
    at: datetime


class Page(NamedTuple):
    """What is asked for; `{trace}` and the like are filled in. `most_ms`: what its 99th percentile may be."""

    name: str
    path: str
    most_ms: int


PAGES: Final = (
    Page("trace", "/api/public/traces/{trace}", 50),
    Page("trace tree", "/api/tailrace/v1/traces/{trace}/tree", 50),
    Page("traces, newest", "/api/public/traces?limit=50", 100),
    Page("traces of a user", "/api/public/traces?limit=50&userId={user}", 100),
    Page("traces of a session", "/api/public/traces?limit=50&sessionId={session}", 100),
    Page(
        "traces by name, a day",
        "/api/public/traces?limit=50&name=request&fromTimestamp={day}&toTimestamp={next_day}",
        100,
    ),
    Page("observations, a day", "/api/public/v2/observations?limit=50&fromStartTime={day}&toStartTime={next_day}", 100),
    Page("generations, newest", "/api/public/observations?limit=50&type=GENERATION", 100),
    Page("sessions, newest", "/api/public/sessions?limit=50", 100),
    Page("session", "/api/public/sessions/{session}", 100),
    Page("users", "/api/tailrace/v1/users?limit=50", 200),
    Page("a user's windows", "/api/tailrace/v1/users/{user}/windows?bucket=day", 200),
)


async def measure_reads(stack: Stack, requests: int) -> dict[str, Any]:
    """Ask for each page so often, two at once.

    Returns the latencies of each, whether they are within bounds, which tables Postgres read whole, and its log of slow queries of readers.
    """
    connection = await stack.connect()
    try:
        places = await _draw_places(connection)
        scans = await _whole_scans(connection)
        async with _slow_log(stack, connection) as slow:
            pages = [await _measure_page(stack, page, places, requests) for page in PAGES]
        return {"pages": pages, "whole_scans": await _scans_since(connection, scans), "slow_queries": slow}
    finally:
        await connection.close()


@asynccontextmanager
async def _slow_log(stack: Stack, connection: asyncpg.Connection) -> AsyncGenerator[list[str]]:
    """Let Postgres log what took longer than SLOW_MS while the block runs; the readers' lines are in the list then."""
    slow: list[str] = []
    log = stack.data / "logs" / "postgres.log"
    start = log.stat().st_size
    await connection.execute(f"alter system set log_min_duration_statement = {SLOW_MS}")
    await connection.execute("alter system set log_line_prefix = '%a '")
    await connection.execute("select pg_reload_conf()")
    try:
        yield slow
    finally:
        await connection.execute("alter system reset log_min_duration_statement")
        await connection.execute("alter system reset log_line_prefix")
        await connection.execute("select pg_reload_conf()")
    with log.open(errors="replace") as lines:
        lines.seek(start)
        slow += [line.strip()[:300] for line in lines if line.startswith(READER) and "duration:" in line]


async def _draw_places(connection: asyncpg.Connection) -> list[Place]:
    rows: list[Any] = await connection.fetch(
        "select id, user_id, session_id, timestamp from traces where user_id is not null and id >= md5($1::text) order by id limit $2",
        str(random.random()),
        SAMPLE,
    )
    return [Place(*row) for row in rows]


async def _measure_page(stack: Stack, page: Page, places: list[Place], requests: int) -> dict[str, Any]:
    latencies: list[float] = []
    numbers = iter(range(requests))
    headers = {"authorization": stack.authorization}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=60) as client:

        async def work() -> None:
            for number in numbers:
                path = _fill(page.path, places[number % len(places)])
                started = time.monotonic()
                answer = await client.get(path)
                latencies.append(time.monotonic() - started)
                if answer.status_code != 200:
                    raise RuntimeError(f"expected 200 from {path}, got {answer.status_code} {answer.text[:200]}")

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    found = cuts(latencies)
    return {"name": page.name, "most_ms": page.most_ms, **found, "is_within": found["p99"] * 1000 <= page.most_ms}


def _fill(path: str, place: Place) -> str:
    day = place.at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"day": _text(day), "next_day": _text(day + timedelta(days=1))}
    return path.format(trace=place.trace, user=place.user, session=place.session, **days)


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


async def _whole_scans(connection: asyncpg.Connection) -> dict[str, int]:
    """How often each table was read from one end to the other so far."""
    rows: list[Any] = await connection.fetch(
        "select relname as name, seq_scan as scans from pg_stat_user_tables where n_live_tup > 10000"
    )
    return {row["name"]: row["scans"] for row in rows}


async def _scans_since(connection: asyncpg.Connection, before: dict[str, int]) -> dict[str, int]:
    await asyncio.sleep(1)  # sessions tell their figures once a second at most
    return {
        name: more
        for name, scans in (await _whole_scans(connection)).items()
        if (more := scans - before.get(name, 0)) > 0
    }
