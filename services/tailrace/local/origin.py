"""`tailrace serve`: edge and query on one origin, in one process with one pool and one cache of keys. Only composes.

Writes go to the edge's application, everything else to query's; `/scores` is both, and the method tells which.
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tailrace.edge import app as edge
from tailrace.edge.main import open_publisher
from tailrace.query import app as query
from tailrace.query.main import wait_for_pool, watch_postgres
from tailrace.runtime.kafka import require_bootstrap_servers
from tailrace.runtime.keys import KeyCache, PostgresKeyStore, watch_keys
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.probes import Health, make_server
from tailrace.runtime.settings import Settings

_poll_seconds = 0.01


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: all is in the settings."""
    parser.epilog = "Listens on TAILRACE_HTTP_PORT; needs TAILRACE_KAFKA_BOOTSTRAP_SERVERS and TAILRACE_POSTGRES_DSN."


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal; returns the exit code. Raises SettingsError."""
    require_dsn(settings.postgres)
    require_bootstrap_servers(settings.kafka)
    return run_service("serve", settings, serve)


async def serve(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Take events and answer reads until `stop`; then what is under way has `drain_seconds` to finish."""
    async with AsyncExitStack() as stack:
        pool = await wait_for_pool(settings, health, stop)
        if pool is None:
            return
        stack.callback(pool.terminate)
        publisher = await open_publisher(settings, pool, health, stop)
        if publisher is None:
            return
        stack.push_async_callback(publisher.close)
        keys = KeyCache(PostgresKeyStore(pool), size=settings.edge.key_cache_size)
        for work in (watch_keys(keys, require_dsn(settings.postgres), stop), watch_postgres(pool, health, stop)):
            stack.callback(asyncio.create_task(work).cancel)
        origin = one_origin(edge.create_app(publisher, keys, settings), query.create_app(pool, keys, settings))
        await stack.enter_async_context(_listening(origin, settings))
        health.started()
        await stop.wait()
        health.block("stop", "stopping")


def one_origin(writes: Starlette, reads: Starlette) -> ASGIApp:
    """Both applications behind one address: a POST to a path of `writes`, and any path that only `writes` has, is its own."""
    write_paths = _paths(writes)
    only_write_paths = write_paths - _paths(reads)

    async def origin(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        writing = path in only_write_paths or (path in write_paths and scope.get("method") == "POST")
        await (writes if writing else reads)(scope, receive, send)

    return origin


def _paths(app: Starlette) -> set[str]:
    return {route.path for route in app.routes if isinstance(route, Route)}


@asynccontextmanager
async def _listening(app: ASGIApp, settings: Settings) -> AsyncGenerator[None]:
    server = make_server(app, host=settings.process.host, port=settings.process.http_port)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 (uvicorn offers a flag, no event)
            await asyncio.sleep(_poll_seconds)
        yield
    finally:
        server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), settings.process.drain_seconds)
        server.force_exit = True
        await task
