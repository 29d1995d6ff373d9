"""`tailrace serve`: edge and query on one origin, in one process with one pool and one cache of keys. Only composes.

Writes go to the edge's application, everything else to query's; `/scores` is both, and the method tells which.
"""

import argparse
import asyncio
from contextlib import AsyncExitStack
from typing import Final

from starlette.applications import Starlette
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tailrace.edge import app as edge
from tailrace.edge.main import publishing, taking_grpc
from tailrace.edge.traffic import Traffic
from tailrace.query import app as query
from tailrace.query.prompt_cache import PromptCache
from tailrace.query.prompt_line import PromptLine
from tailrace.runtime.http import listening
from tailrace.runtime.kafka import require_bootstrap_servers
from tailrace.runtime.keys import KeyCache, PostgresKeyStore, watch_keys
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Settings
from tailrace.runtime.startup import in_background, pool_when_answered, until_stopped, watch_postgres


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: all is in the settings."""
    parser.epilog = "Listens on TAILRACE_HTTP_PORT, and for OTLP over gRPC on TAILRACE_EDGE_GRPC_PORT; needs TAILRACE_KAFKA_BOOTSTRAP_SERVERS and TAILRACE_POSTGRES_DSN."


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal; returns the exit code. Raises SettingsError."""
    require_dsn(settings.postgres)
    require_bootstrap_servers(settings.kafka)
    return run_service("serve", settings, serve)


async def serve(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Take events and answer reads until `stop`; then what is under way has `drain_seconds` to finish."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pool_when_answered(settings.postgres, health, stop, application="serve"))
        publisher = await stack.enter_async_context(publishing(settings, pool, health, stop))
        keys = KeyCache(
            PostgresKeyStore(pool),
            size=settings.edge.key_cache_size,
            most_lookups=settings.edge.max_inflight_requests,
        )
        traffic = Traffic(settings.edge)
        prompts = PromptLine(PromptCache())
        watching = await stack.enter_async_context(
            in_background(
                watch_keys(keys, require_dsn(settings.postgres), stop),
                prompts.watch(require_dsn(settings.postgres), stop),
                watch_postgres(pool, health, stop),
                traffic.watch(pool, stop),
            )
        )
        writing = edge.make_edge(publisher, keys, settings, traffic)
        await stack.enter_async_context(taking_grpc(writing, stop))
        reading = query.create_app(pool, keys, settings, prompt_line=prompts)
        origin = one_origin(edge.app_of(writing), reading)
        serving = await stack.enter_async_context(listening(origin, settings.process))
        health.started()
        await until_stopped(stop, *watching, serving)
        health.block("stop", "stopping")


def one_origin(writes: Starlette, reads: Starlette) -> ASGIApp:
    """Both applications behind one address: what a route of `writes` takes by POST or DELETE, and any path that only `writes` has, is its own."""
    only_write_paths = {route.path for route in _routes(writes)} - {route.path for route in _routes(reads)}
    changing = [route for route in _routes(writes) if not _changes.isdisjoint(route.methods or ())]

    async def origin(scope: Scope, receive: Receive, send: Send) -> None:
        writing = scope.get("path", "") in only_write_paths or (
            scope.get("method") in _changes and any(route.matches(scope)[0] is Match.FULL for route in changing)
        )
        await (writes if writing else reads)(scope, receive, send)

    return origin


_changes: Final = frozenset({"POST", "DELETE"})


def _routes(app: Starlette) -> list[Route]:
    return [route for route in app.routes if isinstance(route, Route)]
