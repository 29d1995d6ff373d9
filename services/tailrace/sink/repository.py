"""The sink's transactions. One batch of one partition is one transaction: rows, dead letters, counts and progress move together."""

import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from tailrace.runtime import metrics
from tailrace.runtime.failures import WINDOW_RECORDS, FailureBudget
from tailrace.runtime.postgres import load_queries
from tailrace.sink.plan import Stored, Whole
from tailrace.sink.tables import TABLES, Table, rows_of
from tailrace.wire.records import AssembledRecord, DeadLetter, EventCount

Connection = asyncpg.pool.PoolConnectionProxy

STATEMENT_ROWS: Final = 5_000
"""What one statement writes: each has its time-out, and a large record has many rows."""

FROZEN_AFTER: Final = timedelta(seconds=10)
"""A sink that has been silent in the middle of a COPY for longer is frozen, as one that idles in a transaction is."""


class UnstorableError(Exception):
    """The driver cannot write a value of these rows for Postgres."""


class Repository:
    """The statements of the sink. Raises the errors of asyncpg."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._queries = load_queries(Path(__file__).with_name("queries.sql"))

    async def read_positions(self, partitions: Iterable[int]) -> dict[int, int]:
        """Where to read on in each partition of the assembled topic."""
        rows = await self._pool.fetch(self._queries["read_positions"], list(partitions))
        return {row["partition"]: row["position"] for row in rows}

    async def reset_position(self, partition: int, *, lost: int, position: int) -> None:
        """The assembled topic has lost the stored position `lost`: read on from `position`, and fence the owner."""
        await self._pool.execute(
            self._queries["reset_position"], partition, position, time.time_ns() // 1_000_000, lost
        )

    async def end_frozen(self, partition: int) -> list[int]:
        """End the session that holds the progress row and waits in the middle of a COPY for a client that is frozen; returns its pid."""
        rows = await self._pool.fetch(self._queries["end_frozen"], partition, FROZEN_AFTER)
        return [row["pid"] for row in rows if row["ended"]]

    @asynccontextmanager
    async def locked(self, partition: int) -> AsyncGenerator[tuple["PartitionTransaction", Stored]]:
        """A transaction that holds the partition's progress row; it commits when the block ends well."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(self._queries["lock_progress"], partition)
            if row is None:
                raise LookupError(f"expected a progress row of partition {partition}, got none; run `tailrace topics`")
            yield (
                PartitionTransaction(connection, self._queries, partition),
                Stored(row["epoch"], row["owner"], row["applied_origin"], row["position"]),
            )


class PartitionTransaction:
    """What can be done while the partition is locked."""

    def __init__(self, connection: Connection, queries: Any, partition: int) -> None:
        self._connection = connection
        self._queries = queries
        self._partition = partition

    async def write(self, wholes: Sequence[Whole]) -> None:
        """Write the rows, dead letters and counts of whole records."""
        records = [chunk for whole in wholes for chunk in whole.chunks]
        await self._write_rows(records)
        letters = [(record.origin, letter) for record in records for letter in record.dead_letters]
        if letters:
            await self.add_dead_letters(letters)
        await self.add_counts([(record.origin, count) for record in records for count in record.counts])

    async def move(self, position: int, last: Whole | None) -> None:
        """Set where to read on, and what is applied if anything was."""
        applied: tuple[int | None, bytes | None, datetime | None] = (None, None, None)
        if last is not None:
            chunk = last.chunks[0]
            applied = (last.origin, bytes.fromhex(chunk.fingerprint), chunk.received_at)
        await self._connection.execute(self._queries["move_progress"], self._partition, *applied, position)

    async def take_epoch(self) -> None:
        """Fence the owner: it must start over from what is applied."""
        await self._connection.execute(self._queries["take_epoch"], self._partition, time.time_ns() // 1_000_000)

    async def halt(self, reason: str) -> None:
        """Let the partition stand still until an operator decides."""
        await self._connection.execute(
            self._queries["halt_partition"], self._partition, reason, time.time_ns() // 1_000_000
        )

    async def read_budget(self, origin: int) -> FailureBudget:
        """What failed for a fault of our own, and whose events were applied, within the records up to `origin`."""
        window = (self._partition, origin - WINDOW_RECORDS, origin)
        failed = await self._connection.fetch(self._queries["read_failures"], *window)
        fine = await self._connection.fetch(self._queries["read_fine"], *window)
        return FailureBudget(
            [(row["origin"], row["project_id"]) for row in failed],
            {row["project_id"]: row["last_applied_origin"] for row in fine},
        )

    async def add_counts(self, counts: Sequence[tuple[int, EventCount]]) -> None:
        """Add to the event counts, each with its origin; only ever together with moving the applied origin."""
        if counts:
            await self._connection.execute(
                self._queries["add_counts"],
                self._partition,
                [count.project_id for _, count in counts],
                [count.accepted for _, count in counts],
                [count.applied for _, count in counts],
                [count.dead_lettered for _, count in counts],
                [origin for origin, _ in counts],
            )

    async def add_dead_letters(self, letters: Sequence[tuple[int, DeadLetter]]) -> None:
        """Keep dead letters, each with its origin."""
        await self._connection.execute(
            self._queries["add_dead_letters"],
            self._partition,
            [letter.project_id for _, letter in letters],
            [origin for origin, _ in letters],
            [letter.sequence for _, letter in letters],
            [letter.reason for _, letter in letters],
            [letter.detail for _, letter in letters],
            [letter.entity for _, letter in letters],
            [letter.content_kind for _, letter in letters],
            [letter.payload for _, letter in letters],
            [letter.received_at for _, letter in letters],
        )

    async def _write_rows(self, records: Sequence[AssembledRecord]) -> None:
        for table in TABLES:
            rows = rows_of(table, records)
            for start in range(0, len(rows), STATEMENT_ROWS):
                if start:
                    await self._connection.execute(table.clear_stage())
                await self._copy(table, rows[start : start + STATEMENT_ROWS])
                await self._connection.execute(table.merge())
            if rows:
                metrics.sink_rows.labels(table.name).inc(len(rows))

    async def _copy(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            await self._connection.copy_records_to_table(table.stage, records=rows, columns=table.columns)
        except (ValueError, OverflowError, TypeError) as error:
            raise UnstorableError(f"{table.name}: {type(error).__name__}: {error}") from error


async def create_stages(connection: asyncpg.Connection) -> None:
    """Prepare a new connection of the pool: one staging table for each table, emptied at every commit."""
    for table in TABLES:
        await connection.execute(table.create_stage())
