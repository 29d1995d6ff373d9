"""Locks of somebody else in the database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.chaos.rounds import Round


@asynccontextmanager
async def locked(round_: Round, statement: str) -> AsyncGenerator[None]:
    """A transaction of another's that has run `statement`, open while the block runs."""
    connection = await round_.cluster.connect()
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield
    finally:
        await connection.close()
