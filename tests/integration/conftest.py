"""A world of assemblers and sinks over a real Postgres."""

from collections.abc import AsyncGenerator

import pytest
import structlog

from tests.integration.partition import open_partition_pool
from tests.integration.worker import World


@pytest.fixture
async def world(postgres_dsn: str) -> AsyncGenerator[World]:
    """Tracebacks are short here."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])
    pool = await open_partition_pool(postgres_dsn)
    yield World(pool)
    await pool.close()
    structlog.reset_defaults()
