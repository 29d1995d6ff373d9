"""The edge process: settings in; a port that takes events until it is told to stop, then finishes what is under way.

It needs Postgres to start, for the partition count of the raw log. Afterwards it takes events of known keys while Postgres is away.
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg

from tailrace.edge.app import create_app
from tailrace.edge.publisher import KafkaPublisher
from tailrace.runtime.kafka import require_bootstrap_servers
from tailrace.runtime.keys import KeyCache, PostgresKeyStore, watch_keys
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS, load_queries, observe_pool, open_pool, require_dsn
from tailrace.runtime.probes import Health, make_server
from tailrace.runtime.settings import Settings

log = get_logger(__name__)

RETRY_SECONDS: Final = 1.0
POOL_CLOSE_SECONDS: Final = 5.0
_QUERIES: Final = load_queries(Path(__file__).with_name("queries.sql"))

Result = TypeVar("Result")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: all is in the settings."""
    parser.epilog = "Listens on TAILRACE_HTTP_PORT; needs TAILRACE_KAFKA_BOOTSTRAP_SERVERS and TAILRACE_POSTGRES_DSN."


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal; returns the exit code. Raises SettingsError."""
    require_dsn(settings.postgres)
    require_bootstrap_servers(settings.kafka)
    return run_service("edge", settings, serve)


async def serve(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Take events until `stop`. Raises SettingsError when the raw topic is not the one that Postgres knows."""
    async with AsyncExitStack() as stack:
        pool = await _unless(stop, _wait_for_pool(settings, health))
        if pool is None:
            return
        stack.push_async_callback(_close, pool)
        publisher = await open_publisher(settings, pool, health, stop)
        if publisher is None:
            return
        stack.push_async_callback(publisher.close)
        keys = KeyCache(PostgresKeyStore(pool), size=settings.edge.key_cache_size)
        watching = await stack.enter_async_context(_watching(keys, settings, stop))
        listening = await stack.enter_async_context(_listening(settings, publisher, keys))
        health.started()
        await _until(stop, watching, listening)
        health.block("stop", "stopping")


async def open_publisher(
    settings: Settings, pool: "asyncpg.Pool[Any]", health: Health, stop: asyncio.Event
) -> KafkaPublisher | None:
    """A publisher to the raw log, as soon as Postgres and Kafka answer; None if `stop` comes first. The caller closes it.

    Raises SettingsError when they do not agree on the partition count.
    """
    partitions = await _unless(stop, _wait_for_partitions(pool, health))
    if partitions is None:
        return None
    publisher = KafkaPublisher(settings.kafka, partitions=partitions, health=health)
    await _unless(stop, publisher.start())
    if stop.is_set():
        await publisher.close()
        return None
    return publisher


async def _wait_for_pool(settings: Settings, health: Health) -> "asyncpg.Pool[Any]":
    while True:
        try:
            pool = await open_pool(settings.postgres, application="edge")
        except OUTAGE_ERRORS as error:
            await _wait_for_postgres(health, f"Postgres does not answer: {type(error).__name__}")
        else:
            observe_pool(pool)
            return pool


async def _wait_for_partitions(pool: "asyncpg.Pool[Any]", health: Health) -> int:
    while True:
        try:
            partitions: int | None = await pool.fetchval(_QUERIES["find_raw_partitions"])
        except OUTAGE_ERRORS as error:
            await _wait_for_postgres(health, f"Postgres does not answer: {type(error).__name__}")
        except asyncpg.UndefinedTableError:
            await _wait_for_postgres(health, "the database has no tables yet: run `tailrace migrate`")
        else:
            if partitions is not None:
                health.clear("postgres")
                return partitions
            await _wait_for_postgres(health, "the topics are not created yet: run `tailrace topics`")


async def _wait_for_postgres(health: Health, reason: str) -> None:
    log.warning("edge.postgres.away", reason=reason)
    health.block("postgres", reason)
    await asyncio.sleep(RETRY_SECONDS)


@asynccontextmanager
async def _watching(keys: KeyCache, settings: Settings, stop: asyncio.Event) -> AsyncGenerator[asyncio.Task[None]]:
    """Follow the announcements of changed keys while the block runs."""
    task = asyncio.create_task(watch_keys(keys, require_dsn(settings.postgres), stop))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _listening(
    settings: Settings, publisher: KafkaPublisher, keys: KeyCache
) -> AsyncGenerator[asyncio.Task[None]]:
    """Serve while the block runs; after it, requests under way have `drain_seconds` to finish."""
    app = create_app(publisher, keys, settings)
    server = make_server(app, host=settings.process.host, port=settings.process.http_port)
    task = asyncio.create_task(server.serve())
    try:
        yield task
    finally:
        server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), settings.process.drain_seconds)
        server.force_exit = True
        await task


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, Result]) -> Result | None:
    """What `work` returns, or None when `stop` comes first."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def _until(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Wait for `stop`. A task that fails ends the wait with its error: no edge works on with keys that it does not hear of."""
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        stopping.cancel()


async def _close(pool: "asyncpg.Pool[Any]") -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(pool.close(), POOL_CLOSE_SECONDS)
    pool.terminate()
