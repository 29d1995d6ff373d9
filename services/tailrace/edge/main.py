"""The edge process: settings in; a port that takes events until it is told to stop, then finishes what is under way.

It needs Postgres to start, for the partition count of the raw log. Afterwards it takes events of known keys while Postgres is away.
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from tailrace.edge.app import create_app
from tailrace.edge.publisher import KafkaPublisher
from tailrace.runtime.kafka import require_bootstrap_servers
from tailrace.runtime.keys import KeyCache, PostgresKeyStore, watch_keys
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.postgres import observe_pool, require_dsn
from tailrace.runtime.probes import Health, make_server
from tailrace.runtime.settings import Settings
from tailrace.runtime.startup import StoppedError, raw_partitions, wait_for_pool

POOL_CLOSE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.01


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
        pool = await wait_for_pool(settings.postgres, health, stop, application="edge")
        stack.push_async_callback(_close, pool)
        observe_pool(pool)
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
    try:
        partitions = await raw_partitions(pool, settings.kafka, health, stop)
    except StoppedError:
        return None
    publisher = KafkaPublisher(settings.kafka, partitions=partitions, health=health)
    await _unless(stop, publisher.start())
    if stop.is_set():
        await publisher.close()
        return None
    return publisher


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
    """Listen while the block runs; after it, requests under way have `drain_seconds` to finish."""
    app = create_app(publisher, keys, settings)
    server = make_server(app, host=settings.process.host, port=settings.process.http_port)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has a flag and no event
            await asyncio.sleep(_POLL_SECONDS)
        yield task
    finally:
        server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), settings.process.drain_seconds)
        server.force_exit = True
        await task


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Let `work` run until it is done or `stop` comes. Raises what it raises."""
    working = asyncio.create_task(work)
    try:
        await _until(stop, working)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _until(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Wait for `stop`, or for a task to end. Raises its error when it failed: no edge works on with keys that it does not hear of."""
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
