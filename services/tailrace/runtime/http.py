"""Serving an application on the process's port: listening before it is said, and time for what is under way after it ends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

from starlette.types import ASGIApp

from tailrace.runtime.probes import make_server
from tailrace.runtime.settings import Process

_POLL_SECONDS: Final = 0.01


@asynccontextmanager
async def listening(app: ASGIApp, settings: Process) -> AsyncGenerator[asyncio.Task[None]]:
    """Serve `app` while the block runs; after it, requests under way have `drain_seconds` to finish. Yields the serving task."""
    server = make_server(app, host=settings.host, port=settings.http_port)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 (uvicorn has a flag and no event)
            await asyncio.sleep(_POLL_SECONDS)
        yield task
    finally:
        server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), settings.drain_seconds)
        server.force_exit = True
        await task
