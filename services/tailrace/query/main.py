"""The query process: settings in; a port that answers reads until it is told to stop, then finishes what is under way."""

import argparse
import asyncio
from contextlib import AsyncExitStack

from tailrace.query.app import create_app
from tailrace.query.prompt_cache import PromptCache
from tailrace.query.prompt_line import PromptLine
from tailrace.runtime.http import listening
from tailrace.runtime.keys import KeyCache, PostgresKeyStore, watch_keys
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Settings
from tailrace.runtime.startup import in_background, pool_when_answered, until_stopped, watch_postgres


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: all is in the settings."""
    parser.epilog = "Listens on TAILRACE_HTTP_PORT; needs TAILRACE_POSTGRES_DSN."


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal; returns the exit code. Raises SettingsError."""
    require_dsn(settings.postgres)
    return run_service("query", settings, serve)


async def serve(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Answer reads until `stop`. While Postgres is away the process lives, is not ready, and says why."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pool_when_answered(settings.postgres, health, stop, application="query"))
        keys = KeyCache(PostgresKeyStore(pool), size=settings.edge.key_cache_size)
        prompts = PromptLine(PromptCache())
        watching = await stack.enter_async_context(
            in_background(
                watch_keys(keys, require_dsn(settings.postgres), stop),
                prompts.watch(require_dsn(settings.postgres), stop),
                watch_postgres(pool, health, stop),
            )
        )
        app = create_app(pool, keys, settings, prompt_line=prompts)
        serving = await stack.enter_async_context(listening(app, settings.process))
        health.started()
        await until_stopped(stop, *watching, serving)
        health.block("stop", "stopping")
