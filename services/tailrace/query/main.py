"""The query process: settings in; a port that answers reads until it is told to stop, then finishes what is under way."""

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from tailrace.query.app import create_app
from tailrace.runtime.keys import KeyCache, PostgresKeyStore, watch_keys
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS, observe_pool, open_pool, require_dsn
from tailrace.runtime.probes import Health, make_server
from tailrace.runtime.settings import Settings

log = get_logger(__name__)

CHECK_SECONDS: Final = 2.0
CHECK_TIMEOUT_SECONDS: Final = 5.0
REOPEN_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.01


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: all is in the settings."""
    parser.epilog = "Listens on TAILRACE_HTTP_PORT; needs TAILRACE_POSTGRES_DSN."


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal; returns the exit code. Raises SettingsError."""
    require_dsn(settings.postgres)
    return run_service("query", settings, serve)


async def serve(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Answer reads until `stop`. While Postgres is away the process lives, is not ready, and says why."""
    pool = await wait_for_pool(settings, health, stop)
    if pool is None:
        return
    keys = KeyCache(PostgresKeyStore(pool), size=settings.edge.key_cache_size)
    background = [
        asyncio.create_task(watch_keys(keys, require_dsn(settings.postgres), stop)),
        asyncio.create_task(watch_postgres(pool, health, stop)),
    ]
    try:
        async with _listening(settings, pool, keys):
            health.started()
            await stop.wait()
            health.block("stop", "stopping")
    finally:
        await _end(background)
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), CHECK_TIMEOUT_SECONDS)
        pool.terminate()


async def wait_for_pool(settings: Settings, health: Health, stop: asyncio.Event) -> "asyncpg.Pool[Any] | None":
    """The pool, as soon as Postgres answers; None if `stop` comes first."""
    while not stop.is_set():
        try:
            pool = await open_pool(settings.postgres, application="query")
        except OUTAGE_ERRORS as error:
            _blocked(health, error)
            await _pause(stop, REOPEN_SECONDS)
        else:
            health.clear("postgres")
            observe_pool(pool)
            return pool
    return None


async def watch_postgres(pool: "asyncpg.Pool[Any]", health: Health, stop: asyncio.Event) -> None:
    """Ask Postgres for a sign of life every CHECK_SECONDS until `stop`, and let `health` follow it."""
    while not stop.is_set():
        try:
            await asyncio.wait_for(pool.fetchval("select 1"), CHECK_TIMEOUT_SECONDS)
            health.clear("postgres")
        except OUTAGE_ERRORS as error:
            _blocked(health, error)
        await _pause(stop, CHECK_SECONDS)


@asynccontextmanager
async def _listening(settings: Settings, pool: "asyncpg.Pool[Any]", keys: KeyCache) -> AsyncGenerator[None]:
    """Serve while the block runs; after it, requests under way have `drain_seconds` to finish."""
    app = create_app(pool, keys, settings)
    server = make_server(app, host=settings.process.host, port=settings.process.http_port)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has a flag, no event
            await asyncio.sleep(POLL_SECONDS)
        yield
    finally:
        server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), settings.process.drain_seconds)
        server.force_exit = True
        await task


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _blocked(health: Health, error: BaseException) -> None:
    log.warning("query.postgres.away", error=type(error).__name__)
    health.block("postgres", f"Postgres does not answer: {type(error).__name__}")
