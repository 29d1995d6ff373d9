"""Prompts for tests, as a client writes them, and a process of the query service in small: its app with its end of the line."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette

from tailrace.query.app import create_app
from tailrace.query.prompt_cache import PromptCache
from tailrace.query.prompt_line import PromptLine
from tailrace.runtime.keys import KeyCache, PostgresKeyStore
from tailrace.runtime.postgres import open_pool
from tailrace.runtime.settings import Postgres, Secret, Settings
from tests.query.seed import Seed, basic

PATH = "/api/public/v2/prompts"
WAIT_SECONDS = 20


async def create(client: httpx.AsyncClient, name: str = "greet", prompt: Any = "Hello", **values: Any) -> Any:
    """A version that must be made."""
    response = await client.post(PATH, json={"name": name, "prompt": prompt} | values)
    assert response.status_code == 201, response.text
    return response.json()


async def read(client: httpx.AsyncClient, name: str = "greet", **asked: Any) -> Any:
    """A version that must be there."""
    response = await client.get(f"{PATH}/{name}", params=asked)
    assert response.status_code == 200, response.text
    return response.json()


async def add(client: httpx.AsyncClient, name: str, version: int, *labels: str) -> httpx.Response:
    """Labels for a version."""
    return await client.patch(f"{PATH}/{name}/versions/{version}", json={"newLabels": labels})


@asynccontextmanager
async def prompt_app(
    dsn: str, *, listen_dsn: str | None = None, line: PromptLine | None = None, pool_size: int = 4
) -> AsyncGenerator[tuple[Starlette, PromptLine]]:
    """An app with a pool of its own, that listens through `listen_dsn`."""
    settings = Settings(postgres=Postgres(dsn=Secret(dsn), pool_size=pool_size))
    line, stop = line or PromptLine(PromptCache()), asyncio.Event()
    pool = await open_pool(settings.postgres, application="test")
    watching = asyncio.create_task(line.watch(listen_dsn or dsn, stop))
    try:
        yield create_app(pool, KeyCache(PostgresKeyStore(pool)), settings, prompt_line=line), line
    finally:
        stop.set()
        await asyncio.wait_for(watching, WAIT_SECONDS)
        await pool.close()


@asynccontextmanager
async def prompt_process(
    dsn: str, seed: Seed, *, listen_dsn: str | None = None, line: PromptLine | None = None
) -> AsyncGenerator[tuple[httpx.AsyncClient, PromptLine]]:
    """A client of such an app, with the seeded project's key."""
    async with prompt_app(dsn, listen_dsn=listen_dsn, line=line) as (app, used):
        transport, headers = httpx.ASGITransport(app=app), basic(seed.public_key)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
            yield client, used


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is awaited is another task's state
            await asyncio.sleep(0.01)
