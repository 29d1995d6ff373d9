"""The sink's transactions: of each of its partitions rows, dead letters, counts and progress move together."""

import time
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

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
    async def locked(self, partition: int) -> AsyncGenerator[tuple["SinkTransaction", Stored]]:
        """A transaction that holds the partition's progress row, once it is free; it commits when the block ends well."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(self._queries["lock_progress"], partition)
            if row is None:
                raise LookupError(f"expected a progress row of partition {partition}, got none; run `tailrace topics`")
            yield SinkTransaction(connection, self._queries), _stored(row)

    @asynccontextmanager
    async def locked_free(
        self, partitions: Collection[int]
    ) -> AsyncGenerator[tuple["SinkTransaction", dict[int, Stored]]]:
        """The same for those of several partitions whose rows nobody else holds; it never waits for a row."""
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(self._queries["lock_free_progress"], list(partitions))
            yield SinkTransaction(connection, self._queries), {row["partition"]: _stored(row) for row in rows}


class Move(NamedTuple):
    """How far a partition is: where to read on, and the last record that was applied if one was."""

    partition: int
    position: int
    last: Whole | None


class SinkTransaction:
    """What can be done to the partitions that are locked."""

    def __init__(self, connection: Connection, queries: Any) -> None:
        self._connection = connection
        self._queries = queries

    async def write(self, wholes: Sequence[Whole], *, copy_born: bool) -> None:
        """Write the rows, dead letters and counts of whole records.

        `copy_born`: rows of new entities need no merging. Raises asyncpg.UniqueViolationError if one is not new.
        """
        records = [chunk for whole in wholes for chunk in whole.chunks]
        await self._write_rows(records, copy_born=copy_born)
        await self.add_dead_letters([(record, letter) for record in records for letter in record.dead_letters])
        await self.add_counts([(record, count) for record in records for count in record.counts])

    async def move(self, moves: Sequence[Move]) -> None:
        """Set where to read on, and what is applied if anything was."""
        lasts = [None if move.last is None else move.last.chunks[0] for move in moves]
        await self._connection.execute(
            self._queries["move_progress"],
            [move.partition for move in moves],
            [last and last.origin for last in lasts],
            [last and bytes.fromhex(last.fingerprint) for last in lasts],
            [last and last.received_at for last in lasts],
            [move.position for move in moves],
        )

    async def take_epoch(self, partition: int) -> None:
        """Fence the owner: it must start over from what is applied."""
        await self._connection.execute(self._queries["take_epoch"], partition, time.time_ns() // 1_000_000)

    async def halt(self, partition: int, reason: str) -> None:
        """Let the partition stand still until an operator decides."""
        await self._connection.execute(self._queries["halt_partition"], partition, reason, time.time_ns() // 1_000_000)

    async def read_budget(self, partition: int, origin: int) -> FailureBudget:
        """What failed for a fault of our own, and whose events were applied, within the records up to `origin`."""
        window = (partition, origin - WINDOW_RECORDS, origin)
        failed = await self._connection.fetch(self._queries["read_failures"], *window)
        fine = await self._connection.fetch(self._queries["read_fine"], *window)
        return FailureBudget(
            [(row["origin"], row["project_id"]) for row in failed],
            {row["project_id"]: row["last_applied_origin"] for row in fine},
        )

    async def add_counts(self, counts: Sequence[tuple[AssembledRecord, EventCount]]) -> None:
        """Add to the event counts, each with its record; only ever together with moving the applied origin."""
        if counts:
            await self._connection.execute(
                self._queries["add_counts"],
                [record.partition for record, _ in counts],
                [count.project_id for _, count in counts],
                [count.accepted for _, count in counts],
                [count.applied for _, count in counts],
                [count.dead_lettered for _, count in counts],
                [record.origin for record, _ in counts],
            )

    async def add_dead_letters(self, letters: Sequence[tuple[AssembledRecord, DeadLetter]]) -> None:
        """Keep dead letters, each with its record."""
        if letters:
            await self._connection.execute(
                self._queries["add_dead_letters"],
                [record.partition for record, _ in letters],
                [letter.project_id for _, letter in letters],
                [record.origin for record, _ in letters],
                [letter.sequence for _, letter in letters],
                [letter.reason for _, letter in letters],
                [letter.detail for _, letter in letters],
                [letter.entity for _, letter in letters],
                [letter.content_kind for _, letter in letters],
                [letter.payload for _, letter in letters],
                [letter.received_at for _, letter in letters],
            )

    async def _write_rows(self, records: Sequence[AssembledRecord], *, copy_born: bool) -> None:
        for table in TABLES:
            born, known = rows_of(table, records)
            if not copy_born:
                known = [*born, *known]
                born = []
            for some in _slices(born):
                await self._copy(table, table.name, some)
            for number, some in enumerate(_slices(known)):
                if number:
                    await self._connection.execute(table.clear_stage())
                await self._copy(table, table.stage, some)
                await self._connection.execute(table.merge())
            if born or known:
                metrics.sink_rows.labels(table.name).inc(len(born) + len(known))

    async def _copy(self, table: Table, target: str, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            await self._connection.copy_records_to_table(target, records=rows, columns=table.columns)
        except (ValueError, OverflowError, TypeError) as error:
            raise UnstorableError(f"{table.name}: {type(error).__name__}: {error}") from error


def _stored(row: asyncpg.Record) -> Stored:
    return Stored(row["epoch"], row["owner"], row["applied_origin"], row["position"])


def _slices(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    for start in range(0, len(rows), STATEMENT_ROWS):
        yield rows[start : start + STATEMENT_ROWS]


async def create_stages(connection: asyncpg.Connection) -> None:
    """Prepare a new connection of the pool: one staging table for each table, emptied at every commit."""
    for table in TABLES:
        await connection.execute(table.create_stage())
