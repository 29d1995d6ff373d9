"""The edge process: settings in; a port that takes events until it is told to stop, then finishes what is under way.

It needs Postgres to start, for the partition count of the raw log. Afterwards it takes events of known keys, within their quotas, while Postgres is away.
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg

from tailrace.edge.app import app_of, make_edge
from tailrace.edge.endpoint import Edge
from tailrace.edge.publisher import KafkaPublisher, Publisher
from tailrace.edge.retention import RetentionGuard
from tailrace.edge.traffic import Traffic
from tailrace.runtime.http import listening
from tailrace.runtime.kafka import require_bootstrap_servers
from tailrace.runtime.keys import KeyCache, PostgresKeyStore, watch_keys
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Settings, SettingsError
from tailrace.runtime.startup import in_background, pool_when_answered, raw_partitions, until_stopped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: all is in the settings."""
    parser.epilog = "Listens on TAILRACE_HTTP_PORT, and for OTLP over gRPC on TAILRACE_EDGE_GRPC_PORT; needs TAILRACE_KAFKA_BOOTSTRAP_SERVERS and TAILRACE_POSTGRES_DSN."


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal; returns the exit code. Raises SettingsError."""
    require_dsn(settings.postgres)
    require_bootstrap_servers(settings.kafka)
    return run_service("edge", settings, serve)


async def serve(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Take events until `stop`. Raises SettingsError when the raw topic is not the one that Postgres knows."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pool_when_answered(settings.postgres, health, stop, application="edge"))
        publisher = await stack.enter_async_context(publishing(settings, pool, health, stop))
        keys = KeyCache(
            PostgresKeyStore(pool),
            size=settings.edge.key_cache_size,
            most_lookups=settings.edge.max_inflight_requests,
        )
        traffic = Traffic(settings.edge)
        watching = await stack.enter_async_context(
            in_background(watch_keys(keys, require_dsn(settings.postgres), stop), traffic.watch(pool, stop))
        )
        edge = make_edge(publisher, keys, settings, traffic)
        await stack.enter_async_context(taking_grpc(edge, stop))
        serving = await stack.enter_async_context(listening(app_of(edge), settings.process))
        health.started()
        await until_stopped(stop, *watching, serving)
        health.block("stop", "stopping")


@asynccontextmanager
async def taking_grpc(edge: Edge, stop: asyncio.Event) -> AsyncGenerator[None]:
    """Take OTLP over gRPC too while the block runs, where the settings name a port; what is under way at `stop` has `drain_seconds` to finish.

    Raises SettingsError when the port is taken.
    """
    process, port = edge.settings.process, edge.settings.edge.grpc_port
    if not port:
        yield
        return
    # Who does not want it pays nothing for it.
    from tailrace.edge.grpc import grpc_handler  # noqa: PLC0415
    from tailrace.runtime import http2  # noqa: PLC0415

    serving = http2.listening(
        grpc_handler(edge), host=process.host, port=port, stop=stop, drain_seconds=process.drain_seconds
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(serving)
        except OSError as error:
            raise SettingsError([f"TAILRACE_EDGE_GRPC_PORT: cannot listen on port {port}: {error.strerror}"]) from None
        yield


@asynccontextmanager
async def publishing(
    settings: Settings, pool: "asyncpg.Pool[Any]", health: Health, stop: asyncio.Event
) -> AsyncGenerator[Publisher]:
    """The way to the raw log while the block runs, as soon as Postgres and Kafka answer. It refuses before the log forgets.

    Raises SettingsError when Postgres and Kafka contradict each other, StoppedError.
    """
    partitions = await raw_partitions(pool, settings, health, stop)
    publisher = KafkaPublisher(settings.kafka, partitions=partitions, health=health)
    async with in_background(publisher.start()) as starting:
        await until_stopped(stop, *starting)
    guard = RetentionGuard(publisher, health)
    try:
        async with in_background(guard.watch(settings.kafka, pool, stop)):
            yield guard
    finally:
        await publisher.close()
