"""The database as handlers see it: a pool of connections in, typed rows out. One request reads one snapshot, and what writes is one
statement, or one transaction where a rule concerns several rows.

A pool without a free place says so in time.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from tailrace.query.rows import Row

AnyRow = TypeVar("AnyRow", bound=Row)

ACQUIRE_SECONDS: Final = 5
_slow_to_convert: Final = 1000
_limit_time: Final = "select set_config('statement_timeout', $1, true)"


class Reader:
    """One request's view of the database."""

    def __init__(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
        self._connection = connection

    async def rows(self, kind: type[AnyRow], statement: str, values: Sequence[Any]) -> list[AnyRow]:
        """All rows of a statement."""
        records = await self._connection.fetch(statement, *values)
        if len(records) > _slow_to_convert:
            return await asyncio.to_thread(_convert, kind, records)
        return _convert(kind, records)

    async def row(self, kind: type[AnyRow], statement: str, values: Sequence[Any]) -> AnyRow | None:
        """The first row of a statement, or None."""
        record = await self._connection.fetchrow(statement, *values)
        return None if record is None else kind(**record)

    async def records(self, statement: str, values: Sequence[Any]) -> list[asyncpg.Record]:
        """All rows of a statement whose columns are chosen by the request."""
        return await self._connection.fetch(statement, *values)

    async def limit_time(self, seconds: float) -> None:
        """Let the database give up statements of this reader that take longer, with asyncpg.QueryCanceledError."""
        await self._connection.execute(_limit_time, str(round(seconds * 1000)))

    async def whole_number(self, statement: str, values: Sequence[Any]) -> int:
        """The one number that a statement yields."""
        return await self._connection.fetchval(statement, *values)


class Writer(Reader):
    """One transaction that writes. Each statement sees what is committed when it begins."""

    async def execute(self, statement: str, values: Sequence[Any]) -> int:
        """Run a statement whose rows nobody needs; returns how many it changed or found."""
        status = await self._connection.execute(statement, *values)
        return int(status.rpartition(" ")[2])


class Database:
    """Where readers come from."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Reader]:
        """A reader whose statements all see one state. Raises TimeoutError when no connection is free in time."""
        async with (
            self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Reader(connection)

    async def row(self, kind: type[AnyRow], statement: str, values: Sequence[Any]) -> AnyRow | None:
        """The first row of one statement that needs no snapshot with others. Raises TimeoutError when no connection is free in time."""
        return await self.write(kind, statement, values)

    async def write(self, kind: type[AnyRow], statement: str, values: Sequence[Any]) -> AnyRow | None:
        """The first row that a statement which writes returns. It stands alone, so that no lock waits for this process.

        Raises TimeoutError when no connection is free in time.
        """
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            record = await connection.fetchrow(statement, *values)
        return None if record is None else kind(**record)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Writer]:
        """A writer; what it wrote is committed with the block, and undone by an error in it. Postgres ends what idles in it for 10 s.

        Raises TimeoutError when no connection is free in time.
        """
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
            yield Writer(connection)


def _convert(kind: type[AnyRow], records: list[asyncpg.Record]) -> list[AnyRow]:
    return [kind(**record) for record in records]
