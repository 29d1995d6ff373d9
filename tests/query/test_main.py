"""The query process: it serves, it outlives an outage of Postgres and says so, it finishes what is under way when told to stop."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from tailrace.local.ports import free_port
from tailrace.query import main
from tailrace.runtime import startup
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Postgres, Process, Secret, Settings
from tests.query.proxy import Line, line_to
from tests.query.seed import Seed, basic

pytestmark = pytest.mark.integration
WAIT_SECONDS = 20


@pytest.fixture(autouse=True)
def checked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres is asked for a sign of life every 50 ms."""
    monkeypatch.setattr(startup, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(startup, "RETRY_SECONDS", 0.05)


@asynccontextmanager
async def serving(dsn: str, seed: Seed) -> AsyncGenerator[tuple[httpx.AsyncClient, Health, asyncio.Event]]:
    """The process's body over this database, with a client that holds the seeded key; told to stop at the end."""
    settings = Settings(
        postgres=Postgres(dsn=Secret(dsn), pool_size=2, statement_timeout_seconds=1),
        process=Process(host="127.0.0.1", http_port=free_port(), drain_seconds=5),
    )
    health, stop = Health("query", stall_seconds=60), asyncio.Event()
    body = asyncio.create_task(main.serve(settings, health, stop))
    url = f"http://127.0.0.1:{settings.process.http_port}"
    try:
        async with httpx.AsyncClient(base_url=url, headers=basic(seed.public_key)) as client:
            yield client, health, stop
    finally:
        stop.set()
        with suppress(startup.StoppedError):
            await asyncio.wait_for(body, WAIT_SECONDS)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is awaited is another task's state
            await asyncio.sleep(0.02)


async def until_answered(request: Callable[[], Awaitable[httpx.Response]], status: int) -> httpx.Response:
    async with asyncio.timeout(WAIT_SECONDS):
        while (response := await request()).status_code != status:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.02)
    return response


def through(line: Line, dsn: str) -> str:
    """The same database at the other end of the line."""
    return dsn.replace(f":{urlsplit(dsn).port}/", f":{line.port}/")


async def test_reads_are_503_while_postgres_is_away_and_answered_again_after(
    module_postgres_dsn: str, seed: Seed
) -> None:
    await seed.trace("t1")
    async with (
        line_to(urlsplit(module_postgres_dsn).port or 0) as line,
        serving(through(line, module_postgres_dsn), seed) as (client, health, _),
    ):
        await until(lambda: health.ready)
        assert (await client.get("/api/public/traces/t1")).status_code == 200

        await line.cut()
        away = await client.get("/api/public/traces/t1")
        await until(lambda: not health.ready)

        assert (away.status_code, away.headers["retry-after"]) == (503, "5")
        assert away.json()["error"] == "ServiceUnavailableError"
        assert "Postgres" in health.reasons["postgres"]
        assert health.stalled() == []

        await line.mend()
        await until(lambda: health.ready)
        assert (await until_answered(lambda: client.get("/api/public/traces/t1"), 200)).json()["id"] == "t1"


async def test_a_statement_that_takes_too_long_is_a_503(
    module_postgres_dsn: str, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    async with serving(module_postgres_dsn, seed) as (client, health, _):
        await until(lambda: health.ready)
        async with connection.transaction():
            await connection.execute("lock table traces in access exclusive mode")
            response = await client.get("/api/public/traces")

        assert (response.status_code, response.json()["error"]) == (503, "ServiceUnavailableError")
        assert (await client.get("/api/public/traces")).status_code == 200


async def test_a_process_that_starts_before_postgres_waits_unready(module_postgres_dsn: str, seed: Seed) -> None:
    async with line_to(urlsplit(module_postgres_dsn).port or 0) as line:
        await line.cut()
        async with serving(through(line, module_postgres_dsn), seed) as (client, health, _):
            await until(lambda: "postgres" in health.reasons)

            await line.mend()
            await until(lambda: health.ready)
            assert (await client.get("/api/public/projects")).json()["data"][0]["id"] == seed.project_id


async def test_a_process_that_is_stopped_before_postgres_comes_ends(module_postgres_dsn: str, seed: Seed) -> None:
    async with line_to(urlsplit(module_postgres_dsn).port or 0) as line:
        await line.cut()
        async with serving(through(line, module_postgres_dsn), seed) as (_, health, stop):
            await until(lambda: "postgres" in health.reasons)
            stop.set()


async def test_a_stopping_process_is_unready_and_finishes_what_is_under_way(
    module_postgres_dsn: str, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    async with serving(module_postgres_dsn, seed) as (client, health, stop):
        await until(lambda: health.ready)
        async with connection.transaction():
            await connection.execute("lock table traces in access exclusive mode")
            reading = asyncio.create_task(client.get("/api/public/traces"))
            await asyncio.sleep(0.2)
            stop.set()
            await until(lambda: not health.ready)

        assert (await reading).status_code == 200


async def test_a_revoked_key_is_refused_at_once(
    module_postgres_dsn: str, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    async with serving(module_postgres_dsn, seed) as (client, health, _):
        await until(lambda: health.ready)
        await until_answered(lambda: client.get("/api/public/projects"), 200)

        await connection.execute("update api_keys set revoked_at = now() where public_key = $1", seed.public_key)

        await until_answered(lambda: client.get("/api/public/projects"), 401)
