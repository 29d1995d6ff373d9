"""The read API over a real database that the tests of one module share, called as a client calls it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from tailrace.query.app import create_app
from tailrace.query.database import Reader
from tailrace.runtime.keys import KeyCache, PostgresKeyStore
from tailrace.runtime.postgres import open_pool
from tailrace.runtime.settings import Postgres, Secret, Settings
from tests.query.seed import Seed, after, basic

Statement = tuple[str, tuple[Any, ...]]


@pytest.fixture
async def connection(module_postgres_dsn: str) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    """A connection to the database of the module."""
    connection = await asyncpg.connect(module_postgres_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def seed(connection: "asyncpg.Connection[Any]") -> Seed:
    """Writes rows of a project of the test's own, which is there, with its key."""
    seed = Seed(connection)
    await seed.project()
    return seed


@pytest.fixture
async def client(module_postgres_dsn: str, seed: Seed) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the API with that project's key; its clock says an hour after noon."""
    async with api_client(module_postgres_dsn, seed) as client:
        yield client


@asynccontextmanager
async def api_client(dsn: str, seed: Seed) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the API over this database, with the seeded project's key."""
    settings = Settings(postgres=Postgres(dsn=Secret(dsn), pool_size=2))
    pool = await open_pool(settings.postgres, application="test")
    app = create_app(pool, KeyCache(PostgresKeyStore(pool)), settings, clock=lambda: after(hours=1))
    transport = httpx.ASGITransport(app=app)
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://api", headers=basic(seed.public_key)
        ) as client:
            yield client
    finally:
        await pool.close()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """The statements that the API runs, as it runs them."""
    ran: list[Statement] = []
    for name in ("rows", "row", "records", "whole_number"):
        _note(monkeypatch, name, ran)
    return ran


def _note(monkeypatch: pytest.MonkeyPatch, name: str, ran: list[Statement]) -> None:
    original = getattr(Reader, name)

    async def noted(self: Reader, *arguments: Any) -> Any:
        statement, values = arguments[-2:]
        ran.append((statement, tuple(values)))
        return await original(self, *arguments)

    monkeypatch.setattr(Reader, name, noted)
