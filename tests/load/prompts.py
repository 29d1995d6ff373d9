"""How long reads of prompts take in the query process, and writes with them: no sockets, a real Postgres.

Reads begin at fixed times whatever becomes of those before, and are timed from when they should have begun.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import asyncpg
import httpx
from starlette.types import ASGIApp, Message, Scope

from tailrace.admin.migrate import migrate
from tailrace.runtime.log import configure_logging
from tests.query.prompts import PATH, add, create, prompt_app, prompt_process, until
from tests.query.seed import Seed, basic
from tests.stack import create_database, running_postgres

PROMPTS: Final = 200
PROMPT_CHARACTERS: Final = 2_000
WRITES_PER_SECOND: Final = 5


def measure_prompts(*, rate: float, seconds: float) -> dict[str, Any]:
    """Milliseconds of reads at `rate` a second, each kind for `seconds`, and how many reads a second are possible at all."""
    configure_logging("query", level="info", log_format="json")
    with running_postgres() as postgres:
        return asyncio.run(_measure(create_database(postgres), rate, seconds))


async def _measure(dsn: str, rate: float, seconds: float) -> dict[str, Any]:
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    seed = Seed(connection)
    await seed.project()
    await connection.close()
    async with AsyncExitStack() as stack:
        app, line = await stack.enter_async_context(prompt_app(dsn, pool_size=8))
        client, _ = await stack.enter_async_context(prompt_process(dsn, seed))
        for n in range(PROMPTS):
            await create(client, f"folder/prompt-{n}", "x" * PROMPT_CHARACTERS, labels=["production"])
        scopes = [_scope(f"{PATH}/folder/prompt-{n}", seed) for n in range(PROMPTS)]
        await until(lambda: line.cache.leased)
        for scope in scopes:
            await _read(app, scope)
        found: dict[str, Any] = {"reads_per_second": rate, "memory": await _steady(app, scopes, rate, seconds)}
        writing = asyncio.create_task(_write(client, seconds))
        found["memory_while_written"] = await _steady(app, scopes, rate, seconds)
        found["writes_of_another_process"] = _summary(await writing)
        found["most_reads_per_second"] = await _flat_out(app, scopes, min(seconds, 5))
    async with prompt_app(dsn, listen_dsn="postgresql://nobody@127.0.0.1:1/none", pool_size=8) as (app, _):
        found["postgres"] = await _steady(app, scopes, rate, seconds)
    return found


async def _steady(app: ASGIApp, scopes: list[Scope], rate: float, seconds: float) -> dict[str, float]:
    """How long answered reads took, and how many were told to come back."""
    started, spent = time.perf_counter(), time.process_time()

    async def timed(n: int, due: float) -> float | None:
        answered = await _read(app, scopes[n % len(scopes)])
        return time.perf_counter() - due if answered else None

    reads: list[asyncio.Task[float | None]] = []
    for n in range(int(rate * seconds)):
        due = started + n / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        reads.append(asyncio.create_task(timed(n, due)))
    took = await asyncio.gather(*reads)
    cpu_ms = round((time.process_time() - spent) / len(took) * 1000, 3)
    answered = _summary([each for each in took if each is not None])
    return answered | {"told_to_come_back": took.count(None), "cpu_ms_per_read": cpu_ms}


async def _flat_out(app: ASGIApp, scopes: list[Scope], seconds: float) -> int:
    started, reads = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        await asyncio.gather(*(_read(app, scope) for scope in scopes[:8]))
        reads += 8
    return round(reads / (time.perf_counter() - started))


async def _write(client: httpx.AsyncClient, seconds: float) -> list[float]:
    started, took = time.perf_counter(), list[float]()
    while time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        response = await add(client, f"folder/prompt-{len(took) % PROMPTS}", 1, f"l{len(took)}")
        took.append(time.perf_counter() - begun)
        assert response.status_code == 200, response.text
        await asyncio.sleep(1 / WRITES_PER_SECOND)
    return took


async def _read(app: ASGIApp, scope: Scope) -> bool:
    """One request: whether it was answered, and not told to come back."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    call: Callable[..., Awaitable[None]] = app
    await call(dict(scope), receive, send)
    assert statuses in ([200], [503]), statuses
    return statuses == [200]


def _scope(path: str, seed: Seed) -> Scope:
    headers = [(name.lower().encode(), value.encode()) for name, value in basic(seed.public_key).items()]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }


def _summary(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)

    return {"n": len(ordered), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1)}
