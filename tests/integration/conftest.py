"""A world of assemblers and sinks over a real Postgres."""

from collections.abc import AsyncGenerator

import pytest
import structlog

from tailrace.assembler import owner
from tests.integration.partition import open_partition_pool
from tests.integration.worker import World


@pytest.fixture
async def world(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[World]:
    """Two owners who both think that they have the partition do not wait for long here, and tracebacks are short."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])
    monkeypatch.setattr(owner, "FENCED_PAUSE_SECONDS", 0.2)
    pool = await open_partition_pool(postgres_dsn)
    yield World(pool)
    await pool.close()
    structlog.reset_defaults()
